/** A schedule store inside this process. */
import {
  ClosedError,
  defineScheduleStore,
  encodeEnvelope,
  UnsupportedError,
  type CallOptions,
  type ConnectOptions,
  type ScheduleStore,
  type ScheduleStoreConnection,
} from '@ct/contracts'
import { rejectAborted, route } from '@ct/contracts/broker-kit'
import { hubOf, memoryHub, onHub, type MemoryHub } from './memory-hub.ts'
import { describeHub, hubName, type MemoryOptions } from './options.ts'

/** Makes a schedule store on the hub that `options` name. With a broker of the same hub, `fire` publishes in one step (S6). */
export function memoryScheduleStore(options: MemoryOptions = {}): ScheduleStore {
  const hub = memoryHub(hubName('memoryScheduleStore', options), options.time)
  const connections = new Set<ScheduleStoreConnection>()
  let closed = false
  // S6: who never asked whether a broker fits does not know where a fired message would go.
  let fires = false
  const store = defineScheduleStore({
    name: 'memory',
    packageName: '@ct/broker-memory',
    capabilities: { durable: false, election: true, changes: true },
    describe: () => describeHub('memory', hub.name),
    firesWith(broker) {
      fires ||= hubOf(broker) === hub
      return hubOf(broker) === hub
    },
    async connect({ signal }: ConnectOptions) {
      rejectAborted('Connecting to the memory schedule store', signal)
      if (closed) throw new ClosedError('The memory schedule store is closed.')
      const connection = connectSchedule(
        hub,
        () => fires,
        () => connections.delete(connection),
      )
      connections.add(connection)
      return connection
    },
    async close() {
      closed = true
      await Promise.all([...connections].map((connection) => connection.close()))
    },
  })
  return onHub(hub, store)
}

function connectSchedule(
  hub: MemoryHub,
  fires: () => boolean,
  onClosed: () => void,
): ScheduleStoreConnection {
  let closed = false
  const live = (options?: CallOptions): MemoryHub['schedule'] => {
    rejectAborted('The call', options?.signal)
    if (closed) throw new ClosedError('The connection to the memory schedule store is closed.')
    return hub.schedule
  }
  const close = async (): Promise<void> => {
    closed = true
    onClosed()
  }
  return {
    load: async (options) => live(options).load(options?.names),
    save: async (change, options) => live(options).save(change),
    changes: async (since, options) => live(options).changes(since),
    lead: async ({ holder, ttlMs }, options) => live(options).lead(holder, ttlMs),
    resign: async (holder) => live().resign(holder),
    async fire({ run, message, token }, options) {
      const schedule = live(options)
      const { exchange, routingKey, properties, notBefore } = message
      if (!fires()) throw new UnsupportedError('No broker of this memory hub was shown to firesWith().')
      // Everything that can fail comes before the first change, and nothing is awaited in between: one step.
      const puts = route(message, hub.bindings.bindings(exchange)).map((queue) => ({
        queue,
        payload: encodeEnvelope(message, { exchange, routingKey, deliveryTag: crypto.randomUUID() }),
        priority: Math.min(9, Math.max(0, Math.trunc(properties.priority ?? 0))),
        notBefore,
        expiresInMs: undefined,
        extra: properties.extra,
      }))
      if (!schedule.fire(run, token)) return false
      for (const put of puts) hub.put(put)
      return true
    },
    close,
    [Symbol.asyncDispose]: close,
  }
}
