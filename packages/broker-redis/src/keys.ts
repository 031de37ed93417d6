/** Names of keys and channels: kombu's (wire-compatible) and the few of our own that Python ignores. */
import { parkedSuffix, UnsupportedError } from '@ct/contracts'
import type { BrokerSettings } from './options/broker-options.ts'

export class Keys {
  readonly unacked: string
  readonly unackedIndex: string
  readonly unackedMutex: string
  /** Hash of ours: message id → starts counted (B17). */
  readonly starts: string
  /** List of ours: entries of `unacked` that nobody can read, moved out of the way. */
  readonly unreadable: string
  readonly bindingDeadlines: string
  readonly #settings: BrokerSettings
  readonly #steps = new Map<string, readonly string[]>()
  /** Queues whose lists would be the keys above. */
  readonly #reserved: ReadonlySet<string>

  constructor(settings: BrokerSettings) {
    this.#settings = settings
    this.unacked = settings.unackedKey
    this.unackedIndex = settings.unackedIndexKey
    this.unackedMutex = settings.unackedMutexKey
    this.starts = `${settings.prefix}ct.starts`
    this.unreadable = `${settings.unackedKey}${parkedSuffix}`
    this.bindingDeadlines = `${settings.prefix}_kombu.binding_deadlines`
    const own = [this.unacked, this.unackedIndex, this.unackedMutex, this.starts, this.bindingDeadlines]
    this.#reserved = new Set(
      own.filter((key) => key.startsWith(settings.prefix)).map((key) => key.slice(settings.prefix.length)),
    )
  }

  /**
   * Throws `CT_UNSUPPORTED` for a queue whose list would be one of our own keys: one message sent to a queue called `unacked` would make
   * a list of what every worker of the fleet keeps a hash in, and stop them all.
   */
  assertQueue(queue: string): void {
    if (this.takesQueue(queue)) return
    throw new UnsupportedError(
      `A queue on Redis cannot be called ${JSON.stringify(queue)}: that key holds data of kombu and ct. Give it another name.`,
    )
  }

  takesQueue(queue: string): boolean {
    return !this.#reserved.has(queue) && !/^_kombu\.binding(_permanent)?\./.test(queue)
  }

  /** The lists of a queue, most urgent first. */
  lists(queue: string): readonly string[] {
    let lists = this.#steps.get(queue)
    if (lists === undefined) {
      const { prefix, sep, prioritySteps } = this.#settings
      lists = prioritySteps.map((step) => (step === 0 ? prefix + queue : prefix + queue + sep + step))
      // Bounded: reply queues come and go for ever.
      if (this.#steps.size > 1000) this.#steps.clear()
      this.#steps.set(queue, lists)
    }
    return lists
  }

  /** The list for a message: the largest step not above its priority, which is clamped to 0…9. */
  list(queue: string, priority: number | undefined): string {
    const lists = this.lists(queue)
    if (priority === undefined || priority <= 0) return lists[0] as string
    const { prioritySteps } = this.#settings
    let index = 0
    while (index + 1 < prioritySteps.length && (prioritySteps[index + 1] as number) <= Math.min(priority, 9))
      index++
    return lists[index] as string
  }

  /** Channel of ours that who waits for a queue subscribes to, so that the others can count him. */
  waiting(queue: string): string {
    return `${this.#settings.fanoutPrefix}ct.waiting.${queue}`
  }

  parked(queue: string): string {
    return this.#settings.prefix + queue + parkedSuffix
  }

  binding(exchange: string): string {
    return `${this.#settings.prefix}_kombu.binding.${exchange}`
  }

  permanentBinding(exchange: string): string {
    return `${this.#settings.prefix}_kombu.binding_permanent.${exchange}`
  }

  /** Channels a fanout message goes to; the second is kombu's before 5.4 behind Sentinel (D57-35). */
  fanoutChannels(exchange: string, routingKey: string): readonly string[] {
    const { fanoutPrefix, fanoutPatterns, fanoutCompat } = this.#settings
    const tail = fanoutPatterns && routingKey !== '' ? `${exchange}/${routingKey}` : exchange
    return fanoutCompat === undefined ? [fanoutPrefix + tail] : [fanoutPrefix + tail, fanoutCompat + tail]
  }

  /** Patterns to subscribe to; kombu replaces `#` alone, `*` is Redis' own and spans dots. */
  fanoutPatterns(exchange: string, bindingKey: string): readonly string[] {
    return this.fanoutChannels(escapeGlob(exchange), bindingKey.replaceAll('#', '*'))
  }
}

/** Names with glob characters must not match others. */
export function escapeGlob(name: string): string {
  return name.replace(/[[\]?*\\^]/g, '\\$&')
}
