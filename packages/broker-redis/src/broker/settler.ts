/** Turns settlements of deliveries into entries of a batch. */
import { UnsupportedError, type OutgoingMessage, type ParkedHistory, type Settlement } from '@ct/contracts'
import type { RedisStore } from '../same-server.ts'
import { storeWrite } from '../stored-success.ts'
import type { BrokerContext } from './context.ts'
import type { RedisDelivery } from './delivery.ts'
import { addParkedHistory, markRedelivered } from './envelope-text.ts'
import type { ListPush } from './list-push.ts'
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
    const { results = [], messages = [] } = settlement
    const carried = settlement.action === 'ack' ? settlement.part : undefined
    const [only] = results
    if (
      carried !== undefined ||
      messages.length > 0 ||
      results.length > 1 ||
      (only !== undefined && tag === '')
    ) {
      const writes = results.map((write) => storeWrite(storeOf(context).resultKey(write.taskId), write))
      const part =
        carried === undefined
          ? undefined
          : { call: storeOf(context).recordCall(carried.part), onRecorded: carried.onRecorded }
      batch.addFull({
        tag,
        writes,
        part,
        pushes: messages.map((message) => pushOf(context, message)),
        ahead: settlement.ahead === true && tag !== '' ? delivery : undefined,
      })
    } else if (only !== undefined)
      batch.addWithResult(tag, storeWrite(storeOf(context).resultKey(only.taskId), only))
    else if (tag !== '') batch.addAck(tag)
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

function pushOf(context: BrokerContext, message: OutgoingMessage): ListPush {
  const push = context.pushOf(message)
  if (push !== undefined) return push
  throw new UnsupportedError(
    `A message to ${JSON.stringify(message.routingKey)} cannot go along with an ack; publish it first`,
  )
}

function storeOf({ store }: BrokerContext): RedisStore {
  if (store !== undefined) return store
  throw new UnsupportedError(
    'Results were handed over with an ack, but no result backend settles with this broker; store them first',
  )
}
