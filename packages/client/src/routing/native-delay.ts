/** Who keeps a task until its ETA: the broker, or the worker (celery/utils/quorum_queues.py and celery/app/base.py 5.7). */
import type { Broker } from '@ct/contracts'
import type { Queues } from './queues.ts'

interface Known {
  readonly version: number
  readonly found: boolean
}

const known = new WeakMap<Queues, Known>()

/**
 * True when tasks with an ETA are to wait at the broker. With RabbitMQ that is so, as in Celery, when any of the app's queues is a quorum
 * queue (`x-queue-type: quorum`): what is configured counts, not what is on the server.
 */
export function delaysNatively(broker: Broker, queues: Queues): boolean {
  const { nativeDelay } = broker.capabilities
  if (nativeDelay === null) return false
  return nativeDelay.onlyWith === undefined || hasQuorumQueue(queues)
}

function hasQuorumQueue(queues: Queues): boolean {
  const answer = known.get(queues)
  if (answer?.version === queues.version) return answer.found
  let found = false
  for (const { declaration } of queues) {
    if (declaration.arguments?.['x-queue-type'] !== 'quorum') continue
    found = true
    break
  }
  known.set(queues, { version: queues.version, found })
  return found
}
