/** The signals of messages, as the worker fires them at reception (celery/worker/strategy.py, consumer/consumer.py 5.7). */
import type { AppSignals, RejectedMessage, SignalWorker } from '@ct/client'
import type { Delivery } from '@ct/contracts'
import type { Request } from '../request/index.ts'
import { taskRequest } from '../trace/index.ts'

export class ReceptionSignals {
  readonly #signals: AppSignals
  readonly #sender: SignalWorker

  constructor(sender: SignalWorker) {
    this.#signals = sender.app.signals
    this.#sender = sender
  }

  received(request: Request): void {
    const { taskReceived } = this.#signals
    if (!taskReceived.wanted) return
    void taskReceived.send({ sender: this.#sender, request: taskRequest(request, this.#sender.hostname) })
  }

  /** `exc` null: it is no task at all. */
  rejected(delivery: Delivery, exc: unknown): void {
    const { taskRejected } = this.#signals
    if (taskRejected.wanted)
      void taskRejected.send({ sender: this.#sender, message: messageOf(delivery), exc })
  }

  unknown(delivery: Delivery, name: string, id: string, exc: unknown): void {
    const { taskUnknown } = this.#signals
    if (!taskUnknown.wanted) return
    void taskUnknown.send({ sender: this.#sender, name, id, message: messageOf(delivery), exc })
  }
}

function messageOf(delivery: Delivery): RejectedMessage {
  const { queue, body, contentType, contentEncoding, headers, properties, info } = delivery
  return {
    queue,
    body,
    contentType,
    contentEncoding,
    headers,
    properties: { ...properties },
    deliveryInfo: { exchange: info.exchange, routingKey: info.routingKey, redelivered: info.redelivered },
  }
}
