import type { ToSlot } from './slot-frames.ts'
import type { SlotChannel } from './slot-transport.ts'

/** Frames for a slot: those of one turn of the event loop go out as one message. */
export class SlotOutbox {
  readonly #channel: Pick<SlotChannel, 'send'>
  readonly #onRefused: (frame: ToSlot, error: unknown) => void
  #frames: ToSlot[] = []

  /** `onRefused`: it cannot be cloned, and the others went without it. */
  constructor(channel: Pick<SlotChannel, 'send'>, onRefused: (frame: ToSlot, error: unknown) => void) {
    this.#channel = channel
    this.#onRefused = onRefused
  }

  add(frame: ToSlot): void {
    if (this.#frames.length === 0) process.nextTick(() => this.#flush())
    this.#frames.push(frame)
  }

  #flush(): void {
    const frames = this.#frames
    this.#frames = []
    try {
      this.#channel.send(frames)
    } catch {
      for (const frame of frames) this.#sendAlone(frame)
    }
  }

  #sendAlone(frame: ToSlot): void {
    try {
      this.#channel.send([frame])
    } catch (error) {
      this.#onRefused(frame, error)
    }
  }
}
