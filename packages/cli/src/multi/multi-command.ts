/**
 * `ct multi`: several workers on this machine, started in the background and found again by their pid files (WORK-105 … WORK-110; celery/bin/multi.py
 * 5.7). It keeps nothing: `stop` is given the same names and pid files as `start`.
 */
import { constants } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Command } from 'commander'
import { CommandFailure, exitCodes } from '../exit-codes.ts'
import type { Session } from '../session.ts'
import { isAlive } from '../process/pid-file.ts'
import { parseMulti, type MultiArguments } from './multi-arguments.ts'
import type { MultiNode } from './multi-node.ts'
import { multiNodes } from './multi-nodes.ts'

const pollMs = 250
const help = `ct multi start|stop|stopwait|restart|kill|show|names|expand|get <nodes> [options]

  ct multi start 3 -A ./tasks.ts -c 4                      celery1, celery2 and celery3 on this host
  ct multi start image data -A ./tasks.ts -Q:image images -Q:data data
  ct multi start 10 -A ./tasks.ts -l info -Q:1-3 images,video -Q:4,5 data -Q default
  ct multi stopwait image data --pidfile=/var/run/celery/%n.pid
  ct multi stop 3 -QUIT                                    by another signal than TERM
  ct multi restart 3 -A ./tasks.ts -c 4                    stopped and waited for, then started
  ct multi show 3 -A ./tasks.ts                            the commands, without running them
  ct multi get image data video -c:1 4                     the words for one node
  ct multi expand /data/%n 3                               a text for each node

  --pidfile=, --logfile=   default /var/run/celery/%n.pid and /var/log/celery/%n%I.log
  --hostname=, --prefix=, --suffix=, --range-prefix=, --cmd=, --append=, --executable=
  --verbose, --quiet, --no-color, --nosplash`

const reserved = ['--nosplash', '--quiet', '-q', '--verbose', '--no-color'] as const

export function addMulti(program: Command, session: Session): void {
  program
    .command('multi')
    .description('start, stop and restart several workers in the background')
    .argument('[words...]', 'what to do, nodes, options: ct multi help')
    .allowUnknownOption()
    .helpOption(false)
    .action(async () => {
      // The words as they came: options of ct itself are options of the workers here.
      const at = session.argv.indexOf('multi')
      session.exitCode = await runMulti(session, [
        ...session.argv.slice(at + 1),
        ...session.argv.slice(0, at),
      ])
    })
}

async function runMulti(session: Session, given: readonly string[]): Promise<number> {
  const words = given.filter((word) => !(reserved as readonly string[]).includes(word))
  const [what = 'help', ...rest] = words
  const multi = new Multi(session, {
    quiet: given.includes('--quiet') || given.includes('-q'),
    verbose: given.includes('--verbose'),
  })
  switch (what) {
    case 'start':
      return await multi.start(nodesOf(rest))
    case 'stop':
      return await multi.stop(nodesOf(withoutSignal(rest)), signalIn(rest))
    case 'stopwait':
    case 'stop_verify':
      return await multi.stop(nodesOf(withoutSignal(rest)), signalIn(rest), { wait: true })
    case 'restart':
      return await multi.restart(nodesOf(withoutSignal(rest)), signalIn(rest))
    case 'kill':
      return multi.kill(nodesOf(rest))
    case 'show':
      for (const node of nodesOf(rest)) session.print(node.commandLine.join(' '))
      return exitCodes.ok
    case 'names':
      for (const node of nodesOf(rest)) session.print(node.name)
      return exitCodes.ok
    case 'expand': {
      const [template = '', ...nodes] = rest
      for (const node of nodesOf(nodes)) session.print(node.expand(template))
      return exitCodes.ok
    }
    case 'get': {
      const [wanted = '', ...nodes] = rest
      const all = nodesOf(nodes)
      const node = all.find(({ name }) => name === wanted)
      if (node === undefined)
        throw new CommandFailure(
          `There is no node ${wanted} among ${all.map(({ name }) => name).join(', ')}.`,
        )
      session.print(node.argv.join(' '))
      return exitCodes.ok
    }
    case 'help':
    case '--help':
    case '-h':
      session.print(help)
      return exitCodes.ok
    default:
      throw new CommandFailure(`ct multi cannot "${what}".\n\n${help}`, exitCodes.usage)
  }
}

function nodesOf(words: readonly string[]): readonly MultiNode[] {
  const parsed: MultiArguments = parseMulti(words)
  if (parsed.nodes.length === 0)
    throw new CommandFailure('Which nodes? Give names, or how many.', exitCodes.usage)
  const [, program = ''] = process.argv
  return multiNodes(parsed, { executable: process.execPath, arguments: [...process.execArgv, program] })
}

function signalOf(word: string): number | undefined {
  if (/^-\d{1,2}$/.test(word)) return Number(word.slice(1))
  const name = /^-(?:SIG)?(?<name>[A-Z][A-Z0-9]+)$/.exec(word)?.groups?.['name']
  return name === undefined ? undefined : constants.signals[`SIG${name}` as NodeJS.Signals]
}

/** `-QUIT`, `-SIGQUIT`, `-3`; the last one counts. */
function signalIn(words: readonly string[]): number {
  return words.map(signalOf).findLast((signal) => signal !== undefined) ?? constants.signals.SIGTERM
}

const withoutSignal = (words: readonly string[]): readonly string[] =>
  words.filter((word) => signalOf(word) === undefined)

function signalName(number: number): string {
  return (
    Object.entries(constants.signals)
      .find(([, value]) => value === number)?.[0]
      .slice(3) ?? String(number)
  )
}

class Multi {
  readonly #session: Session
  readonly #quiet: boolean
  readonly #verbose: boolean

  constructor(session: Session, options: { readonly quiet: boolean; readonly verbose: boolean }) {
    this.#session = session
    this.#quiet = options.quiet
    this.#verbose = options.verbose
  }

  async start(nodes: readonly MultiNode[]): Promise<number> {
    this.#note('> Starting nodes...')
    let failed = false
    for (const node of nodes) failed = (await this.#start(node, '\t> ')) || failed
    return failed ? exitCodes.error : exitCodes.ok
  }

  async #start(node: MultiNode, prefix: string): Promise<boolean> {
    if (this.#verbose) this.#note(`  ${node.commandLine.join(' ')}`)
    const code = await node.start(this.#session.startFolder, (text) => this.#session.complain(text))
    const { style } = this.#session
    if (code !== 0) this.#note(`* Child terminated with exit code ${code}`)
    this.#note(
      `${prefix}${node.name}: ${code === 0 ? style.paint('green', 'OK') : style.paint('red', 'FAILED')}`,
    )
    return code !== 0
  }

  async stop(
    nodes: readonly MultiNode[],
    signal: number,
    {
      wait = false,
      onDown,
    }: { readonly wait?: boolean; readonly onDown?: (node: MultiNode) => Promise<void> } = {},
  ): Promise<number> {
    const down =
      onDown ??
      ((node: MultiNode) =>
        Promise.resolve(this.#note(`> ${node.name}: ${this.#session.style.paint('magenta', 'DOWN')}`)))
    const going: MultiNode[] = []
    const pids = new Map(nodes.map((node) => [node, node.pid]))
    if (nodes.some((node) => pids.get(node) !== undefined)) this.#note('> Stopping nodes...')
    for (const node of nodes) {
      if (pids.get(node) === undefined) await down(node)
      else if (node.send(signal)) {
        this.#note(`\t> ${node.name}: ${signalName(signal)} -> ${pids.get(node)}`)
        going.push(node)
      } else {
        this.#note(`Could not signal ${node.name} (${pids.get(node)}): No such process`)
        await down(node)
      }
    }
    if (!wait) return exitCodes.ok
    for (let left = going, told = -1; left.length > 0;) {
      if (left.length !== told) {
        const word = left.length === 1 ? 'node' : 'nodes'
        this.#note(
          `> Waiting for ${left.length} ${word} -> ${left.map((node) => pids.get(node)).join(', ')}...`,
        )
        told = left.length
      }
      await sleep(pollMs)
      const gone = left.filter((node) => !isAlive(pids.get(node)!))
      left = left.filter((node) => !gone.includes(node))
      for (const node of gone) {
        this.#note(`\t> ${node.name}: ${this.#session.style.paint('green', 'OK')}`)
        await onDown?.(node)
      }
    }
    return exitCodes.ok
  }

  async restart(nodes: readonly MultiNode[], signal: number): Promise<number> {
    let failed = false
    await this.stop(nodes, signal, {
      wait: true,
      onDown: async (node) => {
        failed = (await this.#start(node, '> Restarting node ')) || failed
      },
    })
    return failed ? exitCodes.error : exitCodes.ok
  }

  kill(nodes: readonly MultiNode[]): number {
    for (const node of nodes) {
      const { pid } = node
      if (pid === undefined) this.#note(`> ${node.name}: ${this.#session.style.paint('magenta', 'DOWN')}`)
      else if (node.send('SIGKILL')) this.#note(`Sending KILL to node ${node.name} (${pid})`)
      else this.#note(`Could not signal ${node.name} (${pid}): No such process`)
    }
    return exitCodes.ok
  }

  #note(text: string): void {
    if (!this.#quiet) this.#session.print(text)
  }
}
