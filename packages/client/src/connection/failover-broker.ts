import type { Broker } from '@ct/contracts'
import { AdapterError, defineBroker, isRetryable } from '@ct/contracts'

/** How the next of several brokers is chosen when one cannot be reached (`broker_failover_strategy`). */
export type FailoverStrategy = 'round-robin' | 'shuffle' | ((brokers: readonly string[]) => Iterable<string>)

/**
 * Several brokers of one kind as one: each `connect` tries the one that worked last, or comes after the one that failed last, then the
 * next, and so on once around. All must
 * be of the same adapter, since their capabilities have to be known before anybody connects.
 */
export function failoverBroker(
  brokers: readonly Broker[],
  strategy: FailoverStrategy = 'round-robin',
  random: () => number = Math.random,
): Broker {
  const [first] = brokers
  if (first === undefined) throw new AdapterError('No broker URL was given.')
  if (brokers.length === 1) return first
  const other = brokers.find((broker) => broker.name !== first.name)
  if (other !== undefined) {
    throw new AdapterError(
      `Broker URLs that stand in for each other must be of one kind, but these are ${first.name} and ${other.name}.`,
    )
  }
  let order = ordered(brokers, strategy, random)
  let position = 0
  return defineBroker({
    name: first.name,
    packageName: first.packageName,
    capabilities: first.capabilities,
    describe: () => ({
      ...order[position]!.describe(),
      alternates: brokers.map((broker) => broker.describe().url),
    }),
    settlesWith: (backend) => order[position]!.settlesWith(backend),
    async connect(options) {
      const failures: unknown[] = []
      for (let tried = 0; tried < order.length; tried++) {
        try {
          return await order[position]!.connect(options)
        } catch (error) {
          position = (position + 1) % order.length
          if (position === 0 && strategy === 'shuffle') order = ordered(brokers, strategy, random)
          // The time for connecting may be over because this server is silent: the next attempt then begins with the next one.
          if (options.signal?.aborted === true) throw error
          // Refused credentials and the like are worth a try at the next server too.
          failures.push(error)
        }
      }
      // One that may be reached later decides whether trying again makes sense.
      throw failures.find((error) => isRetryable(error)) ?? failures[0]
    },
    async close() {
      await Promise.all(brokers.map((broker) => broker.close()))
    },
  })
}

function ordered(
  brokers: readonly Broker[],
  strategy: FailoverStrategy,
  random: () => number,
): readonly Broker[] {
  if (strategy === 'round-robin') return brokers
  if (strategy === 'shuffle') {
    const shuffled = [...brokers]
    for (let i = shuffled.length - 1; i > 0; i--) {
      const j = Math.floor(random() * (i + 1))
      ;[shuffled[i], shuffled[j]] = [shuffled[j]!, shuffled[i]!]
    }
    return shuffled
  }
  // Celery hands its strategy the list and iterates for ever; once around is enough, since we go round by ourselves.
  const byUrl = new Map(brokers.map((broker) => [broker.describe().url, broker]))
  const chosen: Broker[] = []
  for (const url of strategy([...byUrl.keys()])) {
    const broker = byUrl.get(url)
    if (broker === undefined || chosen.includes(broker)) break
    chosen.push(broker)
  }
  return chosen.length === 0 ? brokers : chosen
}
