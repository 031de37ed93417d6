import type { SubscriptionHub } from './subscription-hub.ts'

/** Milliseconds after which nobody is expected to ask any more. */
const patienceMs = 1000

/**
 * Who waited for the result of the task he sent last will wait for that of the next. Its channel is then opened while the message is on
 * its way, instead of after the broker's confirmation, when server and worker have better things to do.
 *
 *   off ──the latest was asked for──► on: the next one is listened for as soon as it is sent
 *    ▲                                 │
 *    └── the next was sent before, or a second passed ──┘  (and the channel that nobody asked for is closed)
 *
 * At most one channel is open that nobody has asked for. A wrong guess costs two commands.
 */
export class Anticipation {
  readonly #hub: SubscriptionHub
  #latest: string | undefined
  /** The result of the latest was asked for. */
  #asked = false
  /** Listened for since, and not asked for. */
  #expected: string | undefined
  #expectedAt = 0
  #timer: NodeJS.Timeout | undefined

  constructor(hub: SubscriptionHub) {
    this.#hub = hub
  }

  /** A task is about to be sent by itself, and its result will be stored. */
  sent(taskId: string): void {
    this.#latest = taskId
    if (this.#expected !== undefined) this.#dismiss()
    if (!this.#asked) return
    this.#asked = false
    this.#expected = taskId
    this.#expectedAt = performance.now()
    this.#hub.expect(taskId)
    this.#timer ??= setTimeout(this.#check, patienceMs).unref()
  }

  asked(taskId: string): void {
    if (taskId !== this.#latest) return
    this.#asked = true
    this.#expected = undefined
  }

  stop(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#latest = undefined
    this.#asked = false
    this.#expected = undefined
  }

  #dismiss(): void {
    this.#hub.dismiss(this.#expected!)
    this.#expected = undefined
  }

  /** One timer for all that follow each other. */
  readonly #check = (): void => {
    this.#timer = undefined
    if (this.#expected === undefined) return
    const leftMs = patienceMs - (performance.now() - this.#expectedAt)
    if (leftMs > 0) this.#timer = setTimeout(this.#check, Math.ceil(leftMs)).unref()
    else this.#dismiss()
  }
}
