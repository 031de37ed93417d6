import { sentEnvelope, type Envelope, type EnvelopeReader, type OutgoingMessage } from '@ct/contracts'
import type { RedisDelivery } from './delivery.ts'
import type { Source } from './sources.ts'

/** It is handed out before the step is answered that files it. */
export interface Ahead {
  readonly source: Source
  /** Under which it is filed. */
  readonly tag: string
  delivery: RedisDelivery | undefined
}

/** A message for a list. */
export class ListPush {
  readonly list: string
  /** The item, in pieces that follow each other. */
  readonly pieces: readonly string[]
  /** Milliseconds of life of a queue that expires when unused, else 0. */
  readonly expiresMs: number
  ahead: Ahead | undefined
  readonly #message: OutgoingMessage
  readonly #deliveryTag: string
  #envelope: Envelope | undefined

  constructor(
    list: string,
    pieces: readonly string[],
    expiresMs: number,
    message: OutgoingMessage,
    deliveryTag: string,
  ) {
    this.list = list
    this.pieces = pieces
    this.expiresMs = expiresMs
    this.#message = message
    this.#deliveryTag = deliveryTag
  }

  get text(): string {
    return this.pieces.reduce((text, piece) => text + piece, '')
  }

  /** What reading the text gives. With tables of its own, so that it may be called before others get at those of the message. */
  open(reader: EnvelopeReader): Envelope {
    const { exchange, routingKey } = this.#message
    const deliveryTag = this.#deliveryTag
    return (this.#envelope ??=
      sentEnvelope(this.#message, { exchange, routingKey, deliveryTag }) ?? reader.read(this.text))
  }
}
