import type { SignatureOptions } from '@ct/contracts'
import { ConfigurationError, isPlainObject, isRawJson } from '@ct/contracts'
import { didYouMean } from '../connection/index.ts'
import { retryPolicy } from '../producer/index.ts'
import { Exchange, Queue } from '../routing/index.ts'
import type { CallOptions } from './call-options.ts'
import { momentOption } from './moments.ts'

/** How calling options are called inside signatures, where they are Python's. */
const wireNames: Readonly<Record<Exclude<keyof CallOptions, 'stamps' | 'signal' | 'properties'>, string>> = {
  countdown: 'countdown',
  eta: 'eta',
  expires: 'expires',
  priority: 'priority',
  queue: 'queue',
  exchange: 'exchange',
  exchangeType: 'exchange_type',
  routingKey: 'routing_key',
  serializer: 'serializer',
  compression: 'compression',
  headers: 'headers',
  link: 'link',
  linkError: 'link_error',
  retry: 'retry',
  retryPolicy: 'retry_policy',
  publishTimeoutMs: 'publish_timeout_ms',
  taskId: 'task_id',
  ignoreResult: 'ignore_result',
  timeLimit: 'time_limit',
  softTimeLimit: 'soft_time_limit',
  shadow: 'shadow',
  replyTo: 'reply_to',
  deliveryMode: 'delivery_mode',
  mandatory: 'mandatory',
  declare: 'declare',
  addToParent: 'add_to_parent',
  argsrepr: 'argsrepr',
  kwargsrepr: 'kwargsrepr',
  routeName: 'route_name',
  rootId: 'root_id',
  parentId: 'parent_id',
  groupId: 'group_id',
  groupIndex: 'group_index',
  chord: 'chord',
  chain: 'chain',
  retries: 'retries',
  replacedTaskNesting: 'replaced_task_nesting',
}

/** Options that a send understands; any other key of a signature's options is a stamp or a message property. */
export const knownWireOptions: ReadonlySet<string> = new Set([
  ...Object.values(wireNames),
  'stamped_headers',
  'immutable',
])

/** Calling options whose null says something: it clears what the task or the signature has. */
const nullMatters: ReadonlySet<string> = new Set(['expires', 'time_limit', 'soft_time_limit', 'group_id'])

const seconds: ReadonlySet<string> = new Set(['countdown', 'time_limit', 'soft_time_limit'])

interface Kind {
  readonly wanted: string
  readonly fits: (value: unknown) => boolean
}

const text: Kind = { wanted: 'a text', fits: (value) => typeof value === 'string' }
const flag: Kind = { wanted: 'true or false', fits: (value) => typeof value === 'boolean' }
const record: Kind = { wanted: 'an object such as { key: value }', fits: isPlainObject }
const count: Kind = { wanted: 'a whole number not below 0', fits: isCount }

/** What else is checked: a value that means nothing would be sent, dropped or taken for something else further on. */
const kinds: Readonly<Record<string, Kind>> = {
  queue: {
    wanted: 'the name of a queue, or a queue',
    fits: (value) => typeof value === 'string' || Queue.isQueue(value),
  },
  exchange: {
    wanted: 'the name of an exchange',
    fits: (value) => typeof value === 'string' || Exchange.isExchange(value),
  },
  exchange_type: text,
  routing_key: text,
  compression: text,
  headers: record,
  retry: flag,
  retry_policy: record,
  publish_timeout_ms: {
    wanted: 'a number above 0',
    fits: (value) => typeof value === 'number' && value > 0,
  },
  ignore_result: flag,
  shadow: text,
  reply_to: text,
  delivery_mode: {
    wanted: "1, 2, 'transient' or 'persistent'",
    fits: (value) => [1, 2, 'transient', 'persistent'].includes(value as string),
  },
  mandatory: flag,
  declare: {
    wanted: 'a list of queues and exchanges',
    fits: (value) =>
      Array.isArray(value) && value.every((one) => Queue.isQueue(one) || Exchange.isExchange(one)),
  },
  add_to_parent: flag,
  argsrepr: text,
  kwargsrepr: text,
  route_name: text,
  root_id: text,
  parent_id: text,
  group_id: text,
  group_index: count,
  retries: count,
  replaced_task_nesting: count,
}

function isCount(value: unknown): boolean {
  return Number.isInteger(value) && (value as number) >= 0
}

/** What `applyAsync` and its like got: arguments as a list, then options. Throws `CT_CONFIGURATION` for anything else. */
export function argumentsAndOptions<T extends object>(
  call: readonly unknown[],
): readonly [args: readonly unknown[], options: T | undefined] {
  const [first, second] = call
  const [args, options] = Array.isArray(first)
    ? [first as readonly unknown[], second]
    : second === undefined
      ? [[], first]
      : [first ?? [], second]
  if (Array.isArray(args) && (options === undefined || options === null)) return [args, undefined]
  if (!Array.isArray(args) || typeof options !== 'object')
    throw new ConfigurationError(
      'Arguments are a list, options an object: applyAsync([2, 2], { countdown: 10 }). One by one, arguments go into delay(2, 2).',
    )
  return [args as readonly unknown[], options as T]
}

/**
 * Calling options as a signature holds them. Unknown names are refused with a suggestion (`CT_CONFIGURATION`); `undefined` counts as
 * not given; `signal` does not travel and is left out.
 */
export function toSignatureOptions(call: CallOptions): Record<string, unknown> {
  const options: Record<string, unknown> = {}
  for (const key in call) {
    const value = call[key as keyof CallOptions]
    if (value === undefined) continue
    if (key === 'signal') {
      if (!(value instanceof AbortSignal)) throw wrong(key, 'an AbortSignal')
      continue
    }
    if (key === 'args')
      throw new ConfigurationError('Arguments come first: applyAsync([2, 2], { countdown: 10 }).')
    if (key === 'stamps' || key === 'properties') {
      if (!record.fits(value)) throw wrong(key, record.wanted)
      if (key === 'stamps') addStamps(options, value as Readonly<Record<string, unknown>>)
      else Object.assign(options, value)
    } else {
      const name = Object.hasOwn(wireNames, key) ? wireNames[key as keyof typeof wireNames] : undefined
      if (name === undefined) throw unknownOption(key)
      if (value === null && !nullMatters.has(name)) continue
      options[name] = checked(key, name, value)
    }
  }
  return options
}

function checked(key: string, name: string, value: unknown): unknown {
  if (value === null) return value
  if (seconds.has(name) && !(typeof value === 'number' && Number.isFinite(value)))
    throw wrong(key, 'a number of seconds')
  if (name === 'eta' || name === 'expires') return momentOption(name, value)
  const kind = kinds[name]
  if (kind !== undefined && !kind.fits(value)) throw wrong(key, kind.wanted)
  if (name === 'retry_policy') return renamed(retryPolicy(value as object), snakeCased)
  if (name === 'priority' && !isPriority(value)) throw wrong(key, priorityWanted)
  if (name === 'task_id' && !(typeof value === 'string' && value !== ''))
    throw wrong(key, 'a text that is not empty')
  if (name === 'link' || name === 'link_error') {
    return (Array.isArray(value) ? (value as unknown[]) : [value]).map((one) => asSignature(key, one))
  }
  if (name === 'chord') return asSignature(key, value)
  if (name === 'chain') {
    if (!Array.isArray(value)) throw wrong(key, 'a list of signatures')
    return (value as readonly unknown[]).map((one) => asSignature(key, one))
  }
  return value
}

/** A task stands for its signature without arguments. */
function asSignature(key: string, value: unknown): unknown {
  if (typeof value === 'function' && 'signature' in value && typeof value.signature === 'function')
    return value.signature()
  if (isRawJson(value)) return value
  if (typeof value === 'object' && value !== null && 'task' in value && typeof value.task === 'string')
    return value
  throw wrong(key, 'a task, a signature such as add.s(1), or a list of them')
}

/**
 * For options that were stored: a signature's that came as data. `key` is Python's name. What would be taken for something else further on is
 * refused (`CT_CONFIGURATION`), as where it is given in a call.
 */
export function refuseWrongOption(key: string, value: unknown): void {
  if (key === 'countdown') {
    if (typeof value !== 'number' || !Number.isFinite(value)) throw wrong(key, 'a number of seconds')
  } else if (key === 'priority') {
    if (!isPriority(value)) throw wrong(key, priorityWanted)
  } else {
    const kind = kinds[key]
    if (kind !== undefined && !kind.fits(value)) throw wrong(key, kind.wanted)
  }
}

const priorityWanted = 'a whole number from 0 to 255'

function isPriority(value: unknown): boolean {
  return isCount(value) && (value as number) <= 255
}

function addStamps(options: Record<string, unknown>, stamps: Readonly<Record<string, unknown>>): void {
  const names = Object.keys(stamps)
  for (const name of names) {
    if (knownWireOptions.has(name)) {
      throw new ConfigurationError(`A stamp may not be named "${name}": that is a calling option.`)
    }
    options[name] = stamps[name]
  }
  options['stamped_headers'] = names
}

function unknownOption(key: string): ConfigurationError {
  return new ConfigurationError(
    `Unknown calling option "${key}".${didYouMean(key, [...Object.keys(wireNames), 'stamps', 'properties', 'signal'])} Message properties of your own go into properties: { … }.`,
    { details: { option: key } },
  )
}

function wrong(key: string, wanted: string): ConfigurationError {
  return new ConfigurationError(`The calling option "${key}" must be ${wanted}.`, {
    details: { option: key },
  })
}

/** Names a queue where its object cannot travel, and leaves out what concerns this process alone. */
export function travellingOptions(options: SignatureOptions): SignatureOptions {
  const here = ['publish_timeout_ms', 'declare'].some((name) => options[name] !== undefined)
  if (!Queue.isQueue(options['queue']) && !here) return options
  const { publish_timeout_ms: _timeout, declare: _declare, ...travelling } = options
  const { queue } = travelling
  return Queue.isQueue(queue) ? { ...travelling, queue: queue.name } : travelling
}

/** Publish retry policies are Python's inside signatures, and ours for the producer. */
export function producerPolicy(policy: object): object {
  return renamed(policy, (key) => key.replaceAll(/_([a-z])/g, (_, letter: string) => letter.toUpperCase()))
}

function renamed(record: object, rename: (key: string) => string): Record<string, unknown> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [rename(key), value]))
}

function snakeCased(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
}
