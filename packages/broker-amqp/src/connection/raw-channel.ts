/**
 * A way past amqplib's `publish` and `ack`, which make several buffers and one write of the socket for each message. What is written here goes
 * through the same stream as everything else of the channel, so the order stays.
 */
import type { Channel } from 'amqplib'

export interface RawChannel {
  readonly number: number
  /** Most bytes of a frame; `Infinity`: no limit. */
  readonly frameMax: number
  /** Whole frames; the bytes must not change afterwards. */
  write(frames: Buffer): void
  /** The next message that is published is answered to `callback`: null for an ack. */
  expectConfirm(callback: (error: unknown) => void): void
}

/** The parts of amqplib 2 that are used here and are not in its documentation. */
interface Insides {
  readonly ch?: unknown
  readonly pushConfirmCallback?: (callback: (error: unknown) => void) => void
  readonly connection?: {
    readonly frameMax?: unknown
    sentSinceLastCheck?: boolean
    readonly channels?: Readonly<
      Record<number, { readonly buffer?: { write(chunk: Buffer): boolean } } | undefined>
    >
  }
}

/** Undefined where amqplib looks otherwise inside: its own methods then have to do. */
export function rawChannel(channel: Channel): RawChannel | undefined {
  const insides = channel as unknown as Insides
  const { ch, connection } = insides
  if (typeof ch !== 'number' || connection === undefined || typeof insides.pushConfirmCallback !== 'function')
    return undefined
  const { frameMax } = connection
  const stream = connection.channels?.[ch]?.buffer
  if (typeof frameMax !== 'number' || typeof stream?.write !== 'function') return undefined
  return {
    number: ch,
    frameMax: frameMax > 0 ? frameMax : Infinity,
    write(frames) {
      stream.write(frames)
      // Else a heartbeat would be sent on top.
      connection.sentSinceLastCheck = true
    },
    expectConfirm(callback) {
      insides.pushConfirmCallback?.(callback)
    },
  }
}
