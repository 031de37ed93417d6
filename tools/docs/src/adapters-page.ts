/** Renders `docs/reference/adapters.md` from what the adapters say of themselves (`capabilities`), which core branches on and the conformance suites hold them to. */
import { amqpBroker, rpcBackend } from '@ct/broker-amqp'
import { memoryBackend, memoryBroker } from '@ct/broker-memory'
import { redisBackend, redisBroker } from '@ct/broker-redis'
import type { Broker, BrokerCapabilities, ResultBackend, ResultBackendCapabilities } from '@ct/contracts'

type Row<T> = readonly [what: string, cell: (capabilities: T) => string]

const yes = (is: boolean): string => (is ? 'yes' : 'no')
const bytes = (limit: number | null): string =>
  limit === null ? 'no limit' : `${(limit / 2 ** 20).toLocaleString('en-US')} MiB`

const days = (ms: number): string =>
  ms > 100 * 365 * 86_400_000 ? 'yes' : `up to ${Math.floor(ms / 86_400_000).toLocaleString('en-US')} days`

const brokerRows: readonly Row<BrokerCapabilities>[] = [
  ['messages outlive the server’s restart', ({ durable }) => yes(durable)],
  ['a publish is confirmed', ({ confirms }) => yes(confirms)],
  ['a message that no queue takes is refused (`mandatory`)', ({ mandatory }) => yes(mandatory)],
  ['publishing makes the queue', ({ queuesOnPublish }) => yes(queuesOnPublish)],
  [
    'exchanges',
    ({ exchanges }) =>
      Object.entries(exchanges)
        .flatMap(([type, has]) => (has ? [type] : []))
        .join(', '),
  ],
  ['events over', ({ eventExchangeType }) => eventExchangeType],
  ['remote control', ({ remoteControl }) => yes(remoteControl)],
  ['in order of publishing', ({ ordered }) => yes(ordered)],
  [
    'priorities',
    ({ priorities }) =>
      priorities === null
        ? 'no'
        : `${priorities.levels} levels, ${priorities.order === 'low-first' ? '0' : 'the highest number'} first`,
  ],
  [
    'a held message comes back',
    ({ lease }) =>
      lease === null
        ? 'when its connection dies'
        : lease.renewable
          ? 'when its lease runs out; leases are renewed'
          : 'after a fixed time',
  ],
  ['what is held is settled after a reconnect', (one) => yes(one.settleAcrossConnections)],
  [
    'longest that a message is held',
    ({ maxHoldMs = null }) =>
      maxHoldMs === null ? 'no limit' : `${(maxHoldMs / 1000).toLocaleString('en-US')} s`,
  ],
  [
    'tasks with an ETA wait at the broker',
    ({ nativeDelay }) =>
      nativeDelay === null
        ? 'no'
        : `${days(nativeDelay.maxMs)}${nativeDelay.onlyWith === undefined ? '' : ', with a quorum queue'}`,
  ],
  ['the broker drops what has expired', ({ messageTtl }) => yes(messageTtl)],
  ['largest message', ({ maxMessageBytes }) => bytes(maxMessageBytes)],
  ['`requeue` puts a message', ({ requeuePosition }) => `${requeuePosition}`],
  [
    'what counts towards `maxDeliveries`',
    ({ startCount }) => (startCount === 'none' ? 'nothing' : startCount),
  ],
  ['redelivered may mean: never started', ({ marksUnstarted = false }) => yes(marksUnstarted)],
  ['parking', ({ parking }) => (parking === 'atomic' ? 'one step' : 'copy, then ack')],
  ['idle workers', ({ wakeUp }) => (wakeUp === 'push' ? 'are woken' : 'poll')],
  ['length of a queue', ({ queueSize }) => queueSize],
]

const backendRows: readonly Row<ResultBackendCapabilities>[] = [
  ['results outlive the server’s restart', ({ durable }) => yes(durable)],
  ['who can read them', ({ readers }) => (readers === 'caller' ? 'who sent the task' : 'whoever has the id')],
  ['those who wait', ({ subscribe }) => (subscribe === 'push' ? 'are told' : 'poll')],
  ['expired ones go by themselves', ({ autoExpire }) => yes(autoExpire)],
  ['groups are saved', ({ groups }) => yes(groups)],
  [
    'chords are counted',
    ({ chord }) =>
      ({
        native: 'by the store',
        counter: 'by a counter of the store',
        unlock: 'by `celery.chord_unlock`',
        none: 'no',
      })[chord],
  ],
  ['`resultCompression`', ({ compression }) => yes(compression)],
  ['`resultFailureExpires`', ({ failureExpires }) => yes(failureExpires)],
  ['largest result', ({ maxDocumentBytes }) => bytes(maxDocumentBytes)],
]

function table<T>(rows: readonly Row<T>[], columns: readonly (readonly [string, T])[]): readonly string[] {
  return [
    `| | ${columns.map(([name]) => name).join(' | ')} |`,
    `|---|${columns.map(() => '---|').join('')}`,
    ...rows.map(([what, cell]) => `| ${what} | ${columns.map(([, one]) => cell(one)).join(' | ')} |`),
  ]
}

export function adaptersPage(): string {
  const broker = (name: string, { capabilities }: Broker) => [name, capabilities] as const
  const backend = (name: string, { capabilities }: ResultBackend) => [name, capabilities] as const
  return [
    '# What adapters can do',
    '',
    'Generated from the `capabilities` of each adapter with its default options, by `tools/docs/src/adapters.ts`. Core does what they say, and the conformance suites of',
    '`@ct/testing` run against the real servers and fail where they are not true.',
    '',
    '## Brokers',
    '',
    ...table(brokerRows, [
      broker('[Redis](../adapters/redis.md)', redisBroker()),
      broker('[RabbitMQ](../adapters/rabbitmq.md)', amqpBroker()),
      broker('memory', memoryBroker()),
    ]),
    '',
    '## Result backends',
    '',
    ...table(backendRows, [
      backend('[Redis](../adapters/redis.md)', redisBackend()),
      backend('[`rpc://`](../adapters/rabbitmq.md#rpc)', rpcBackend()),
      backend('memory', memoryBackend()),
    ]),
    '',
  ].join('\n')
}
