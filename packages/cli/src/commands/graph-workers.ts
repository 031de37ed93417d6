/** `ct graph workers` (CLI-31): the fleet as a drawing. */
import type { Command } from 'commander'
import { CommandFailure, exitCodes } from '../exit-codes.ts'
import { noReply } from '../remote/ask-workers.ts'
import type { Session } from '../session.ts'
import { drawAs, formatOf, type DrawnEdge, type DrawnNode, type Drawing } from './drawing.ts'

interface Fleet {
  readonly broker: string
  readonly backend: string | undefined
  /** With the number of their slots. */
  readonly workers: readonly (readonly [name: string, slots: number])[]
}

const known = ['nodes', 'threads', 'backend', 'broker', 'wmax', 'tmax', 'generic', 'enumerate'] as const
type Word = (typeof known)[number]

/** Below `ct graph`. */
export function addGraphWorkers(graph: Command, session: Session): void {
  graph
    .command('workers')
    .description('draw workers, their slots, broker and result store')
    .argument('[words...]', `as in Celery, such as wmax:4 tmax:3 generic enumerate nodes:a,b threads:2,8`)
    .action(async (words: readonly string[]) => {
      const given = parse(words)
      session.print(drawAs(formatOf(graph), draw(await fleet(session, given), given)))
    })
}

function parse(words: readonly string[]): ReadonlyMap<Word, string> {
  const given = new Map<Word, string>()
  for (const word of words) {
    const colon = word.indexOf(':')
    const name = colon === -1 ? word : word.slice(0, colon)
    if (!(known as readonly string[]).includes(name))
      throw new CommandFailure(`"${word}" is none of: ${known.join(', ')}.`, exitCodes.usage)
    given.set(name as Word, colon === -1 ? '' : word.slice(colon + 1))
  }
  return given
}

async function fleet(session: Session, given: ReadonlyMap<Word, string>): Promise<Fleet> {
  const nodes = given.get('nodes')
  const [broker, backend] = [given.get('broker'), given.get('backend')]
  if (nodes !== undefined && broker !== undefined) {
    return { broker, backend, workers: named(nodes, given.get('threads')) }
  }
  const app = await session.appWithBroker()
  const { context } = app
  const where = {
    broker: broker ?? context.broker.describe().url,
    backend: backend ?? context.backend?.describe().url,
  }
  if (nodes !== undefined) return { ...where, workers: named(nodes, given.get('threads')) }
  const stats = await app.control.inspect().stats()
  if (stats === null) throw noReply(1000)
  return {
    ...where,
    workers: Object.entries(stats)
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, { pool }]) => [name, Number(pool['max-concurrency']) || 0] as const),
  }
}

function named(nodes: string, threads: string | undefined): Fleet['workers'] {
  const slots = threads?.split(',').map(Number) ?? []
  return nodes.split(',').map((name, index) => [name, slots[index] ?? slots.at(-1) ?? 0] as const)
}

function draw({ broker, backend, workers }: Fleet, given: ReadonlyMap<Word, string>): Drawing {
  const [wmax, tmax] = [count(given.get('wmax'), 4), count(given.get('tmax'), 3)]
  const label = (kind: string, url: string): string =>
    given.has('generic') ? `${kind} (${url.split('://')[0]}://)` : url
  const nodes: DrawnNode[] = [
    { id: 'broker', label: label('Broker', broker), shape: 'circle', fill: 'cadetblue3' },
  ]
  const edges: DrawnEdge[] = []
  if (backend !== undefined)
    nodes.push({ id: 'backend', label: label('Backend', backend), shape: 'folder', fill: 'peachpuff3' })
  for (const [index, [name, slots]] of abbreviated(workers, wmax).entries()) {
    const id = `worker${index + 1}`
    const shown = given.has('enumerate') && name !== '…' ? `Worker ${index + 1}` : name
    nodes.push({ id, label: shown, shape: 'box', fill: 'darkseagreen3' })
    edges.push({ from: id, to: 'broker' })
    if (backend !== undefined) edges.push({ from: id, to: 'backend' })
    const all = Array.from({ length: slots }, (_none, slot) => String(slot + 1))
    for (const [at, slot] of abbreviated(all, tmax).entries()) {
      const slotId = `${id}slot${at + 1}`
      nodes.push({ id: slotId, label: slot, shape: 'oval', fill: 'lightcyan4', font: 'yellow' })
      edges.push({ from: slotId, to: id, plain: true })
    }
  }
  return { name: 'workers', nodes, edges }
}

/** The first ones, a mark for those left out, and the last one. 0: all of them. */
function abbreviated<T extends string | readonly [string, number]>(list: readonly T[], max: number): T[] {
  if (max === 0 || list.length <= max) return [...list]
  const mark = (typeof list[0] === 'string' ? '…' : ['…', 0]) as T
  return [...list.slice(0, Math.max(0, max - 2)), mark, list.at(-1)!]
}

function count(text: string | undefined, fallback: number): number {
  if (text === undefined || text === '') return fallback
  const value = Number(text)
  if (Number.isSafeInteger(value) && value >= 0) return value
  throw new CommandFailure(`"${text}" is no number of workers or slots.`, exitCodes.usage)
}
