/** Turns what a step, or a fanout channel, brought into deliveries; what cannot be read is parked and told. */
import { isAscii, isUtf8, type Buffer } from 'node:buffer'
import { decodeEnvelope, EnvelopeReader, type Envelope } from '@ct/contracts'
import type { BrokerContext } from './context.ts'
import { RedisDelivery, type DeliveryOwner } from './delivery.ts'
import type { Hub } from './hub.ts'
import type { ListPush } from './list-push.ts'
import type { Source } from './sources.ts'
import type { Stepper, Taken } from './stepper.ts'

export interface IntakeOptions {
  readonly context: BrokerContext
  readonly hub: Hub
  readonly owner: DeliveryOwner
  readonly tagPrefix: string
  /** False: the queue was cancelled or paused, or the consumer stopped, while the step was under way. */
  readonly wants: (source: Source) => boolean
  readonly deliver: (delivery: RedisDelivery) => void
}

export class Intake {
  readonly #options: IntakeOptions
  readonly envelopes = new EnvelopeReader()
  #fanoutTag = 0

  constructor(options: IntakeOptions) {
    this.#options = options
  }

  take({ round, taken, malformed, tag, brought }: Taken, stepper: Stepper): void {
    for (let i = 0; i < malformed.length; i += 2) {
      const { queue, parked } = round.sources[(malformed[i] as number) - 1] as Source
      const item = malformed[i + 1] as Buffer
      this.#tell(queue, whyMalformed(item), item, parked)
    }
    let filed = 0
    for (let i = 0; i < taken.length; i += 2) {
      const source = round.sources[(taken[i] as number) - 1] as Source
      const wanted = this.#options.wants(source)
      for (const item of taken[i + 1] as readonly (Buffer | number)[]) {
        const itsTag = source.filed ? tag(++filed) : ''
        if (typeof item === 'number') {
          const push = brought(item)
          if (wanted) this.#takeBrought(source, itsTag, push)
          else putBack(source, itsTag, itsTag === '' ? push.text : '', stepper)
        } else if (wanted) this.#takeItem(source, itsTag, item, stepper)
        else putBack(source, itsTag, itsTag === '' ? item.toString() : '', stepper)
      }
      if (source.expiresMs > 0) this.#touch(source)
    }
  }

  #takeItem(source: Source, tag: string, item: Buffer, stepper: Stepper): void {
    const { owner, deliver } = this.#options
    const ascii = isAscii(item)
    const text = ascii ? item.toString('latin1') : item.toString()
    let envelope: Envelope
    try {
      if (!ascii && !isUtf8(item)) throw new Error('it is not UTF-8')
      envelope = this.envelopes.read(text)
    } catch (error) {
      const { parked, tailBytes } = source
      stepper.batch.addMove({ tag, side: 'L', list: parked, text: tag === '' ? text : '', tailBytes })
      stepper.schedule()
      this.#tell(source.queue, (error as Error).message, item, parked)
      return
    }
    deliver(new RedisDelivery(owner, source.queue, tag, text, envelope, source))
  }

  /** A message of our own, which has not left us. */
  #takeBrought(source: Source, tag: string, push: ListPush): void {
    const { owner, deliver } = this.#options
    deliver(new RedisDelivery(owner, source.queue, tag, push.text, push.open(this.envelopes), source))
  }

  /** A message of our own that the step under way files. */
  takeAhead(push: ListPush): void {
    const { owner, deliver } = this.#options
    const { ahead } = push
    if (ahead === undefined) return
    const { source, tag } = ahead
    ahead.delivery = new RedisDelivery(owner, source.queue, tag, push.text, push.open(this.envelopes), source)
    deliver(ahead.delivery)
  }

  takeFanout(queue: string, noAck: boolean, message: Buffer): void {
    const { owner, deliver, tagPrefix } = this.#options
    const text = message.toString()
    let envelope: Envelope
    try {
      envelope = decodeEnvelope(text)
    } catch (error) {
      this.#tell(queue, (error as Error).message, message, undefined)
      return
    }
    const how = { filed: false, noAck, tailBytes: 0 }
    deliver(new RedisDelivery(owner, queue, `${tagPrefix}f${++this.#fanoutTag}`, text, envelope, how))
  }

  /** A queue that expires when unused is used (kombu 5.7 does so at each get). */
  #touch(source: Source): void {
    const { link } = this.#options.hub
    link.together(() => {
      for (const list of source.lists) link.send('pexpire', [list, source.expiresMs]).catch(() => undefined)
    })
  }

  #tell(queue: string, reason: string, item: Buffer, parkedIn: string | undefined): void {
    const excerpt = item.toString('utf8', 0, 1024).slice(0, 1024)
    this.#options.context.notice({ kind: 'malformed', queue, reason, excerpt, parkedIn })
  }
}

/** The script goes by the shape; what exactly is wrong is worth a second look. */
function whyMalformed(item: Buffer): string {
  if (!isUtf8(item)) return 'it is not UTF-8'
  try {
    decodeEnvelope(item)
    return 'headers, properties or delivery_info are missing'
  } catch (error) {
    return (error as Error).message
  }
}

/** `text` of what is not filed, else ''. */
function putBack(source: Source, tag: string, text: string, stepper: Stepper): void {
  const [list = ''] = source.lists
  stepper.batch.addMoveBefore({ tag, side: 'R', list, text, tailBytes: source.tailBytes })
  stepper.schedule()
}
