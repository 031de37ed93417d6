/** In which order the parts of a worker start, stop taking, give back, give up and close. {@link Worker} decides when. */
import { CeleryError } from '@ct/contracts'
import { checkOwnCommands } from '../control/index.ts'
import type { WorkerParts } from './worker-parts.ts'

/** How long a cold stop waits for what it has cancelled. */
const coldPatienceMs = 5000

export class PartsLife {
  readonly #parts: WorkerParts
  #cold = false
  #closed: Promise<void> | undefined

  constructor(parts: WorkerParts) {
    this.#parts = parts
  }

  async start(): Promise<void> {
    const parts = this.#parts
    checkOwnCommands(parts.app.context.commands)
    parts.tasks.collect()
    await parts.stateFile?.open()
    parts.openChords?.start()
    await parts.workerPool.start(parts.services)
    parts.autoscaler?.start()
    parts.loopWatch?.start()
    await parts.workerPool.tellStarted()
    await parts.steps.startWorker()
    parts.holdLimit.announce(parts.tasks.strategies.values())
    parts.holdLimit.start()
    await parts.consumer.start()
  }

  /** Takes no more messages, starts no more tasks. */
  stopTaking(): void {
    this.#parts.onConnection.leave()
    this.#parts.dispatcher.stop()
    void this.#parts.consumer.stop()
  }

  /** What is not started goes back. */
  async release(): Promise<void> {
    const { steps, consumer, reception, requests } = this.#parts
    await steps.close()
    await consumer.stop()
    await steps.stopConsumer()
    reception.clear()
    requests.releaseUnstarted()
    requests.watchAway()
  }

  /** Cold: what still runs is given up; the wait for the broker is bounded. */
  async cancelRunning(): Promise<void> {
    const { state, dispatcher, pauses, requests } = this.#parts
    this.#cold = true
    const reason = new CeleryError('CT_ABORTED', 'The worker is shut down.')
    for (const request of state.in('active')) dispatcher.cancel(request, reason)
    for (const request of state.in('reserved')) dispatcher.giveUp(request)
    pauses.end()
    const { promise, resolve } = Promise.withResolvers<void>()
    const timer = setTimeout(resolve, coldPatienceMs)
    await Promise.race([requests.drained(), promise])
    clearTimeout(timer)
  }

  close(): Promise<void> {
    return (this.#closed ??= this.#close())
  }

  async #close(): Promise<void> {
    const parts = this.#parts
    this.stopTaking()
    parts.requests.expectNoConnection()
    parts.holdLimit.stop()
    parts.autoscaler?.stop()
    parts.loopWatch?.stop()
    await parts.steps.stopConsumer(this.#cold)
    await parts.steps.stopWorker(this.#cold)
    parts.heartbeat?.stop()
    await parts.gossip?.close()
    await parts.openChords?.stop()
    await parts.onConnection.close()
    await parts.consumer.close()
    await parts.dispatch?.close()
    await parts.workerPool.close(this.#cold)
    await parts.stateFile?.close()
    await parts.connection.close()
    await parts.steps.shutdown()
  }
}
