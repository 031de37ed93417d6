/** Commands that look (celery/worker/control.py 5.7; worker-behaviour §7.1–7.5). */
import { isoformat, pyRepr } from '@ct/contracts'
import { activeQueue } from './active-queue.ts'
import { CommandError, isTrue, noReply, type Arguments, type Command, type CommandTarget } from './command.ts'
import { configuration } from './configuration.ts'
import { dumpMemory, sampleMemory } from './memory.ts'
import { report } from './report.ts'
import { stats } from './stats.ts'

function infos(target: CommandTarget, phase: 'active' | 'reserved', safe: boolean): unknown[] {
  return target.state.in(phase).map((request) => request.info(target.hostname, safe))
}

const active: Command = {
  kind: 'inspect',
  run: (target, args) => infos(target, 'active', isTrue(args['safe'])),
}
const reserved: Command = { kind: 'inspect', run: (target) => infos(target, 'reserved', false) }

const scheduled: Command = {
  kind: 'inspect',
  run: (target) =>
    target.reception.scheduled().map(({ at, request }) => ({
      eta: isoformat(at),
      priority: 6,
      request: request.info(target.hostname),
    })),
}

const registered: Command = {
  kind: 'inspect',
  run(target, args) {
    const asked = listOf(args['taskinfoitems']) ?? []
    const items = asked.length > 0 ? asked : ['exchange', 'routing_key', 'rate_limit']
    const builtins = isTrue(args['builtins'])
    return [...target.strategies.values()]
      .filter(({ name }) => builtins || !name.startsWith('celery.'))
      .map((strategy) => {
        const shown = items.flatMap((item) => {
          const value = item.startsWith('_') ? null : attribute(strategy, item)
          return value === null || value === undefined ? [] : [`${item}=${text(value)}`]
        })
        return shown.length === 0 ? strategy.name : `${strategy.name} [${shown.join(' ')}]`
      })
      .toSorted()
  },
}

/** Attributes of a task by Celery's names. */
function attribute(
  strategy: CommandTarget['strategies'] extends ReadonlyMap<string, infer S> ? S : never,
  item: string,
): unknown {
  if (item === 'rate_limit') return strategy.rateLimit
  if (item === 'time_limit') return strategy.timeLimit
  if (item === 'soft_time_limit') return strategy.softTimeLimit
  if (item === 'name') return strategy.name
  const key = item.replaceAll(/_([a-z])/g, (_match, letter: string) => letter.toUpperCase())
  return Object.hasOwn(strategy.options, key)
    ? (strategy.options as unknown as Record<string, unknown>)[key]
    : undefined
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : pyRepr(value)
}

const queryTask: Command = {
  kind: 'inspect',
  run(target, args) {
    const ids = typeof args['ids'] === 'string' ? [args['ids']] : (listOf(args['ids']) ?? [])
    const found: Record<string, unknown> = {}
    for (const request of target.state.open) {
      if (!ids.includes(request.id) || request.phase === 'done') continue
      const state =
        request.phase === 'received' || (request.phase === 'limited' && request.message.etaMs === null)
          ? 'ready'
          : request.phase === 'limited'
            ? 'scheduled'
            : request.phase
      found[request.id] = [state, request.info(target.hostname)]
    }
    return found
  },
}

const hello: Command = {
  kind: 'inspect',
  run(target, args) {
    if (args['from_node'] === target.hostname) return args['instance'] === target.context.oid ? noReply : null
    mergeRevoked(target, args['revoked'])
    return { revoked: target.revocations.ids.ids(), clock: target.context.clock.forward() }
  },
}

/** A list of ids, as 5.7 sends, or the older mapping from id to time (D57-10). */
export function mergeRevoked(target: Pick<CommandTarget, 'revocations'>, revoked: unknown): void {
  const ids = listOf(revoked) ?? (typeof revoked === 'object' && revoked !== null ? Object.keys(revoked) : [])
  for (const id of ids) if (!target.revocations.ids.has(id)) target.revocations.ids.add(id)
}

function listOf(value: unknown): string[] | undefined {
  return Array.isArray(value) ? value.filter((one) => typeof one === 'string') : undefined
}

/** Chords that wait for members (ct's own): whom of, and for how long. */
const chords: Command = { kind: 'inspect', run: async (target) => (await target.openChords?.list()) ?? [] }

export const inspectCommands: Readonly<Record<string, Command>> = {
  ping: { kind: 'inspect', run: () => ({ ok: 'pong' }) },
  report: { kind: 'inspect', strict: [], run: (target) => ({ ok: report(target) }) },
  clock: { kind: 'inspect', run: (target) => ({ clock: target.context.clock.value }) },
  stats: { kind: 'inspect', run: (target) => ({ ...target.stepInfo(), ...stats(target) }) },
  active,
  dump_active: active,
  chords,
  reserved,
  dump_reserved: reserved,
  scheduled,
  dump_schedule: scheduled,
  revoked: { kind: 'inspect', run: (target) => target.revocations.ids.ids() },
  dump_revoked: { kind: 'inspect', run: (target) => target.revocations.ids.ids() },
  registered,
  dump_tasks: registered,
  query_task: queryTask,
  active_queues: { kind: 'inspect', strict: [], run: (target) => [...target.queues()].map(activeQueue) },
  conf: {
    kind: 'inspect',
    run: (target, args: Arguments) => configuration(target, isTrue(args['with_defaults'])),
  },
  dump_conf: {
    kind: 'inspect',
    run: (target, args: Arguments) => configuration(target, isTrue(args['with_defaults'])),
  },
  hello,
  memsample: { kind: 'inspect', run: (target) => sampleMemory(target.context.now()) },
  memdump: {
    kind: 'inspect',
    run: (target, args) => dumpMemory(target.context.now(), args['samples'] ?? 10),
  },
  objgraph: {
    kind: 'inspect',
    strict: ['num', 'max_depth', 'type'],
    run: () => {
      // A picture of the heap would be a file with every secret of the process, made while it stands still: nothing to do by remote.
      throw new CommandError(
        'ImportError',
        'Requires the objgraph library, which is Python only. For a heap snapshot start the worker with node --heapsnapshot-signal=SIGUSR2 and send it that signal.',
      )
    },
  },
}
