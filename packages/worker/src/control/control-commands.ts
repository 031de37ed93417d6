/** Commands that change something (celery/worker/control.py 5.7; worker-behaviour §7.6). Texts are Celery's: tools search them. */
import { constants } from 'node:os'
import { Exchange, Queue, type QueueOptions } from '@ct/client'
import { pyRepr } from '@ct/contracts'
import { parseRate, type Request } from '../request/index.ts'
import { CommandError, isTrue, noReply, type Arguments, type Command, type CommandTarget } from './command.ts'
import { markRevoked } from './mark-revoked.ts'

type Reply = { readonly ok: string } | { readonly error: string }

function revoke(target: CommandTarget, args: Arguments): Reply {
  const ids = idsOf(args['task_id'])
  const revokedBefore = ids.filter((id) => target.state.find(id).some(({ phase }) => phase === 'active'))
  for (const id of ids) {
    target.revocations.ids.add(id)
    for (const request of target.state.find(id)) target.dispatcher.reconsider(request)
  }
  void markRevoked(target, ids, new Set(revokedBefore))
  if (!isTrue(args['terminate'])) {
    target.context.logger.info(`Tasks flagged as revoked: ${ids.join(', ')}`)
    return { ok: `tasks ${pyRepr(new Set(ids))} flagged as revoked` }
  }
  const signal = signalOf(args['signal'])
  const found = ids.filter((id) => terminate(target, target.state.find(id), signal))
  return { ok: found.length === 0 ? 'terminate: tasks unknown' : `terminate: ${found.join(', ')}` }
}

/** Running ones end now, reserved ones as soon as they start. */
function terminate(target: CommandTarget, requests: readonly Request[], signal: Signal): boolean {
  const known = requests.filter(({ phase }) => phase === 'active' || phase === 'reserved')
  for (const request of known) {
    target.context.logger.info(`Terminating ${request.id} (${signal.number})`)
    target.dispatcher.terminate(request, signal.name, signal.number)
  }
  return known.length > 0
}

function revokeByStampedHeaders(target: CommandTarget, args: Arguments): Reply {
  const headers = stampsOf(args['headers'])
  target.revocations.stamps.add(headers)
  for (const request of target.state.in('reserved')) {
    if (target.revocations.stampOf(request) !== undefined) target.dispatcher.reconsider(request)
  }
  if (!isTrue(args['terminate']))
    return { ok: `headers ${pyRepr(headers)} flagged as revoked, but not terminated` }
  const signal = signalOf(args['signal'])
  const matching = target.state
    .in('active')
    .filter((request) => target.revocations.stampOf(request) !== undefined)
  if (!terminate(target, matching, signal)) return { ok: `headers ${pyRepr(headers)} were not terminated` }
  return { ok: `headers defaultdict(<class 'set'>, ${pyRepr(headers)}) revoked` }
}

function rateLimit(target: CommandTarget, args: Arguments): Reply {
  const strategy = target.strategies.get(String(args['task_name']))
  const limit = args['rate_limit'] ?? null
  try {
    parseRate(limit)
    if (strategy === undefined) return { error: 'unknown task' }
    strategy.setRateLimit(limit as string | number | null)
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error)
    return { error: `Invalid rate limit string: ${pyRepr(new CommandError('ValueError', message))}` }
  }
  target.reception.resetRateLimit(strategy)
  return {
    ok:
      strategy.bucket === undefined ? 'rate limit disabled successfully' : 'new rate limit set successfully',
  }
}

function timeLimit(target: CommandTarget, args: Arguments): Reply {
  const strategy = target.strategies.get(String(args['task_name']))
  if (strategy === undefined) return { error: 'unknown task' }
  strategy.timeLimit = secondsOf(args['hard'])
  strategy.softTimeLimit = secondsOf(args['soft'])
  return { ok: 'time limits set successfully' }
}

/** A known queue is consumed as it is; for a new one exchange and routing key default to its name. */
async function addConsumer(target: CommandTarget, args: Arguments): Promise<Reply> {
  const name = textOf(args['queue'], 'queue')
  const { queues } = target.context
  const known = queues.find(name)
  const exchange = typeof args['exchange'] === 'string' && args['exchange'] !== '' ? args['exchange'] : name
  const type = typeof args['exchange_type'] === 'string' ? args['exchange_type'] : 'direct'
  const routingKey = typeof args['routing_key'] === 'string' ? args['routing_key'] : name
  const queue =
    known ??
    queues.complete(
      new Queue(name, { exchange: new Exchange(exchange, { type }), routingKey, ...queueOptions(args) }),
    )
  await target.addQueue(queue)
  return { ok: `add consumer ${name}` }
}

/** Options of the queue under kombu's names. What is null is left to the defaults; what is of another kind is refused. */
function queueOptions(args: Arguments): QueueOptions {
  const options: Record<string, unknown> = {}
  for (const [name, kind] of Object.entries(queueOptionKinds)) {
    const value = args[name]
    if (value === null || value === undefined) continue
    if (typeof value !== kind) throw new CommandError('TypeError', `${name} must be of the kind ${kind}`)
    options[name.replaceAll(/_([a-z])/g, (_match, letter: string) => letter.toUpperCase())] = value
  }
  return options
}

const queueOptionKinds: Readonly<Record<string, 'boolean' | 'number' | 'object' | 'string'>> = {
  durable: 'boolean',
  exclusive: 'boolean',
  auto_delete: 'boolean',
  no_ack: 'boolean',
  no_declare: 'boolean',
  alias: 'string',
  queue_arguments: 'object',
  binding_arguments: 'object',
  consumer_arguments: 'object',
  expires: 'number',
  message_ttl: 'number',
  max_length: 'number',
  max_length_bytes: 'number',
  max_priority: 'number',
}

async function cancelConsumer(target: CommandTarget, args: Arguments): Promise<Reply> {
  const name = textOf(args['queue'], 'queue')
  const queue = target.context.queues.find(name)?.name ?? name
  await target.cancelQueue(queue)
  return { ok: `no longer consuming from ${name}` }
}

async function resize(target: CommandTarget, args: Arguments, sign: 1 | -1): Promise<Reply> {
  const n = args['n'] ?? 1
  if (typeof n !== 'number' || !Number.isSafeInteger(n))
    throw new CommandError('TypeError', 'n must be an integer')
  if (n < 0) throw new CommandError('ValueError', 'n must not be negative')
  const verb = sign === 1 ? 'grow' : 'shrink'
  if (target.autoscaler !== undefined) {
    return { error: `pool_${verb} is not supported with autoscale. Adjust autoscale range instead.` }
  }
  if (!target.pool.capabilities.resizable) {
    throw new CommandError('AttributeError', `'TaskPool' object has no attribute '${verb}'`)
  }
  if (sign === 1) assertRoom(target.pool, n)
  else if (n > 0 && target.pool.size <= 1)
    throw new CommandError('ValueError', "Can't shrink pool. It has one slot")
  await target.resizePool(sign * n)
  return { ok: `pool will ${verb}` }
}

/** What a thread or child with a small program takes, at the least. */
const slotBytes = 32 * 1024 * 1024

/** One slip of a finger must not take the worker, and its machine, down: a slot elsewhere is memory. */
function assertRoom(pool: CommandTarget['pool'], more: number): void {
  if (pool.capabilities.sharesMemory) return
  const room = Math.max(1, Math.floor(process.availableMemory() / slotBytes))
  if (more <= room) return
  throw new CommandError(
    'ValueError',
    `there is memory for some ${room} more ${pool.name} here, not for ${more}`,
  )
}

/** `worker_pool_restarts` allows it, as in Celery. */
async function poolRestart(target: CommandTarget, args: Arguments): Promise<Reply> {
  if (!target.context.settings.workerPoolRestarts)
    throw new CommandError('ValueError', 'Pool restarts not enabled')
  const modules = args['modules'] ?? []
  if (!Array.isArray(modules) || modules.some((one) => typeof one !== 'string'))
    throw new CommandError('TypeError', 'modules must be a list of texts')
  if (isTrue(args['reload']) && target.pool.capabilities.sharesMemory) {
    throw new CommandError(
      'NotImplementedError',
      `the ${target.pool.name} pool runs tasks in the worker's own thread, and JavaScript cannot load a module a second time: start the worker anew, or use -P threads or -P processes`,
    )
  }
  await target.restartPool(modules as string[])
  return { ok: 'reload started' }
}

function autoscale({ autoscaler, pool }: CommandTarget, args: Arguments): Reply {
  if (autoscaler === undefined) throw new CommandError('ValueError', 'Autoscale not enabled')
  const wanted = { max: slotsOf(args['max'], 'max'), min: slotsOf(args['min'], 'min') }
  assertRoom(pool, Math.max(wanted.max ?? 0, wanted.min ?? 0) - pool.size)
  const { max, min } = autoscaler.update(wanted)
  return { ok: `autoscale now max=${max} min=${min}` }
}

function slotsOf(value: unknown, name: string): number | undefined {
  if (value === null || value === undefined) return undefined
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value
  throw new CommandError('TypeError', `${name} must be a whole number`)
}

function events(target: CommandTarget, on: boolean): Reply {
  const result = on ? target.enableEvents() : target.disableEvents()
  if (result === undefined) return { error: 'event dispatcher unavailable' }
  const word = on ? 'enabled' : 'disabled'
  return { ok: result.changed ? `task events ${word}` : `task events already ${word}` }
}

interface Signal {
  readonly name: string
  readonly number: number
}

/** Upper-case with or without `SIG`, or a number; default TERM. */
function signalOf(value: unknown): Signal {
  if (value === null || value === undefined) return { name: 'SIGTERM', number: constants.signals.SIGTERM }
  const signals = constants.signals as Readonly<Record<string, number>>
  if (typeof value === 'number') {
    const known = Object.entries(signals).find(([, number]) => number === value)
    if (known !== undefined) return { name: known[0], number: value }
    throw new CommandError('ValueError', `${value} is not a valid Signals`)
  }
  if (typeof value !== 'string' || value !== value.toUpperCase() || /^\d*$/.test(value)) {
    throw new CommandError('TypeError', 'signal name must be uppercase string.')
  }
  const name = value.startsWith('SIG') ? value : `SIG${value}`
  const number = signals[name]
  if (number === undefined)
    throw new CommandError('AttributeError', `module 'signal' has no attribute '${name}'`)
  return { name, number }
}

function idsOf(value: unknown): string[] {
  if (typeof value === 'string') return [value]
  return Array.isArray(value) ? [...new Set(value.filter((id) => typeof id === 'string'))] : []
}

/** A mapping, or `["k=v"]` from the command line. */
function stampsOf(value: unknown): Record<string, unknown[]> {
  const stamps: Record<string, unknown[]> = {}
  const pairs: [string, unknown][] = Array.isArray(value)
    ? value
        .filter((one) => typeof one === 'string')
        .map((one) => [one.split('=')[0]!, one.slice(one.indexOf('=') + 1)])
    : typeof value === 'object' && value !== null
      ? Object.entries(value)
      : []
  for (const [name, one] of pairs)
    stamps[name] = [...(stamps[name] ?? []), ...(Array.isArray(one) ? one : [one])]
  return stamps
}

function secondsOf(value: unknown): number | null {
  if (value === null || value === undefined) return null
  if (typeof value === 'number' && value >= 0) return value
  throw new CommandError('TypeError', 'a time limit must be a number of seconds')
}

function textOf(value: unknown, name: string): string {
  if (typeof value === 'string' && value !== '') return value
  throw new CommandError('TypeError', `${name} must be a text`)
}

/** ct's own: publishes the body of a chord that is complete and whose finisher is gone. */
async function repairChord(target: CommandTarget, args: Arguments): Promise<Reply> {
  const id = textOf(args['group_id'], 'group_id')
  return (await target.openChords?.repair(id)) === true
    ? { ok: `chord ${id} is complete, its body is sent` }
    : { error: `chord ${id} is not open here, waits for members, or is being finished` }
}

/** ct's own: fails a chord that is open, with what the operator says as its reason. */
async function failOpenChord(target: CommandTarget, args: Arguments): Promise<Reply> {
  const id = textOf(args['group_id'], 'group_id')
  const reason =
    typeof args['reason'] === 'string' && args['reason'] !== '' ? args['reason'] : 'failed by an operator'
  return (await target.openChords?.fail(id, reason)) === true
    ? { ok: `chord ${id} failed` }
    : { error: `chord ${id} is not open here, or is being finished` }
}

export const controlCommands: Readonly<Record<string, Command>> = {
  revoke: { kind: 'control', run: revoke },
  chord_repair: { kind: 'control', run: repairChord },
  chord_fail: { kind: 'control', run: failOpenChord },
  terminate: { kind: 'control', run: (target, args) => revoke(target, { ...args, terminate: true }) },
  revoke_by_stamped_headers: { kind: 'control', run: revokeByStampedHeaders },
  rate_limit: { kind: 'control', run: rateLimit },
  time_limit: { kind: 'control', run: timeLimit },
  add_consumer: { kind: 'control', run: addConsumer },
  cancel_consumer: { kind: 'control', run: cancelConsumer },
  pool_grow: { kind: 'control', run: (target, args) => resize(target, args, 1) },
  pool_shrink: { kind: 'control', run: (target, args) => resize(target, args, -1) },
  pool_restart: { kind: 'control', run: poolRestart },
  autoscale: { kind: 'control', strict: ['max', 'min'], run: autoscale },
  enable_events: { kind: 'control', strict: [], run: (target) => events(target, true) },
  disable_events: { kind: 'control', strict: [], run: (target) => events(target, false) },
  heartbeat: {
    kind: 'control',
    strict: [],
    run: (target) => {
      target.sendHeartbeat()
      return null
    },
  },
  election: {
    kind: 'control',
    // Without gossip nobody here would hear the others.
    run: ({ elections }, args) => {
      elections?.stand(textOf(args['id'], 'id'), textOf(args['topic'], 'topic'), args['action'] ?? null)
      return null
    },
  },
  shutdown: {
    kind: 'control',
    run: (target) => {
      target.shutdown()
      return noReply
    },
  },
}
