/** Turns settlements of deliveries into entries of a batch. */
import { UnsupportedError, type ParkedHistory, type Settlement } from '@ct/contracts'
import { storeWrite } from '../stored-success.ts'
import type { BrokerContext } from './context.ts'
import type { RedisDelivery } from './delivery.ts'
import { addParkedHistory, markRedelivered } from './envelope-text.ts'
import type { SettlementBatch } from './settlement-batch.ts'

/** Throws, and adds nothing, when the settlement cannot be made. Error: `CT_UNSUPPORTED`. */
export function addSettlement(
  batch: SettlementBatch,
  delivery: RedisDelivery,
  settlement: Settlement,
  context: BrokerContext,
): void {
  const tag = delivery.filed ? delivery.tag : ''
  if (settlement.action === 'ack' || settlement.action === 'reject') {
    const { results = [] } = settlement
    const [only] = results
    if (only !== undefined && results.length === 1 && tag !== '')
      batch.addWithResult(tag, storeWrite(resultKey(context, only.taskId), only))
    else if (results.length > 0) {
      const writes = results.map((write) => storeWrite(resultKey(context, write.taskId), write))
      batch.addWithResults({ tag, writes })
    } else if (tag !== '') batch.addAck(tag)
    if (delivery.counted || delivery.info.redelivered) batch.addForget(tag, delivery.messageId)
    return
  }
  const { keys } = context
  const { queue, tailBytes, text } = delivery
  const list = keys.list(queue, delivery.info.priority)
  switch (settlement.action) {
    case 'park': {
      const { reason, starts = 0 } = settlement
      const history: ParkedHistory = { reason, starts, parkedAt: new Date().toISOString(), queue }
      const parked = addParkedHistory(text, history)
      batch.addMove({ tag, side: 'L', list: keys.parked(queue), text: parked, tailBytes })
      batch.addForget(tag, delivery.messageId)
      return
    }
    case 'requeue':
      batch.addMove({ tag, side: 'L', list, text: markRedelivered(text), tailBytes })
      return
    case 'release':
      batch.addMove({ tag, side: 'R', list, text: tag === '' ? text : '', tailBytes })
  }
}

function resultKey(context: BrokerContext, taskId: string): string {
  const key = context.resultKey(taskId)
  if (key !== undefined) return key
  throw new UnsupportedError(
    'Results were handed over with an ack, but no result backend settles with this broker; store them first',
  )
}
