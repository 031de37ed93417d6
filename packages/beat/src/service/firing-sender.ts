/**
 * Sends what is due and notes that it ran. How, depends on who shares what:
 *
 *   store and broker are one server      one step for each: token checked, task sent, run noted, or none of it
 *   several beats, the broker elsewhere  one at a time: lease looked at, sent, run noted under the token
 *   one beat                             many at a time, then the runs of all in one save
 *
 * What could not be sent for the moment is tried again as the same firing, with the same id, until it is; what can never be sent is told, and its
 * run counts as made (BEAT-5).
 */
import type { App, PreparedTask } from '@ct/client'
import {
  isCeleryError,
  isRetryable,
  LeaseLostError,
  type BrokerConnection,
  type QueueDeclaration,
  type ScheduleRun,
  type ScheduleStoreConnection,
} from '@ct/contracts'
import type { LazyArguments } from '../entry/index.ts'
import type { Firing, Scheduler } from '../scheduler/index.ts'
import type { BeatClock } from './beat-clock.ts'
import { prepareEntry } from './entry-call.ts'
import { firingId } from './firing-id.ts'
import type { Leadership } from './leadership.ts'

export interface SentFiring {
  readonly name: string
  readonly task: string
  readonly taskId: string
  readonly scheduledAt: Date
  /** Milliseconds between that instant and the sending. */
  readonly lateMs: number
  /** It stands for later runs too, which had fallen due as well and are not made up for. */
  readonly missed: boolean
}

export interface FiringSenderOptions {
  readonly app: App
  readonly scheduler: Scheduler
  readonly clock: BeatClock
  readonly leadership: Leadership
  readonly election: boolean
  readonly inOneStep: boolean
  /** Save after this many sends; 0: when time says so. */
  readonly syncEvery: number
  readonly lazyOf: (name: string) => LazyArguments | undefined
  readonly onSent: (sent: SentFiring) => void
  /** The store knows better: that entry has to be read again. */
  readonly onStale: (name: string) => void
}

/** Most firings that are under way at a time. */
const together = 200
const firstPauseMs = 500
const longestPauseMs = 30_000
/** Nobody minds less. */
const lateEnoughMs = 1000
/** As many are named in a line about missed runs. */
const mostNamed = 5
/** Saved at least so often where sends are not counted (celery/beat.py 5.7, `sync_every`). */
const syncPauseMs = 180_000

export class FiringSender {
  readonly #options: FiringSenderOptions
  readonly #unsaved = new Map<string, ScheduleRun>()
  readonly #declared = new WeakMap<BrokerConnection, Set<QueueDeclaration>>()
  #sinceSync = 0
  #syncedAt: number
  #failing = false

  constructor(options: FiringSenderOptions) {
    this.#options = options
    this.#syncedAt = options.clock.monotonic()
  }

  get hasUnsaved(): boolean {
    return this.#unsaved.size > 0
  }

  /** What is due now, as far as it goes in one go. Resolves to true when there may be more. Rejects when the store cannot be used. */
  async sendDue(connection: ScheduleStoreConnection): Promise<boolean> {
    const { scheduler, clock, election, inOneStep } = this.#options
    const firings = scheduler.take(clock.now(), election && !inOneStep ? 1 : together)
    if (firings.length > 0) {
      const settled = await Promise.allSettled(firings.map((firing) => this.#send(connection, firing)))
      this.#tellMissed(settled.flatMap((one) => (one.status === 'fulfilled' ? (one.value ?? []) : [])))
      const failed = settled.find((one) => one.status === 'rejected')
      if (failed !== undefined) throw failed.reason
    }
    await this.#saveIfDue(connection)
    return firings.length > 0
  }

  /** What has not been saved is: at the end, and before everything is read again. */
  async sync(connection: ScheduleStoreConnection): Promise<void> {
    if (this.#unsaved.size > 0) await this.#save(connection)
  }

  /** Somebody else leads: what ran is his to say. */
  forget(): void {
    this.#unsaved.clear()
  }

  /** What was sent, if it was. */
  async #send(connection: ScheduleStoreConnection, firing: Firing): Promise<SentFiring | undefined> {
    const { app, clock, scheduler, lazyOf, inOneStep } = this.#options
    const { entry, scheduledAt, run } = firing
    const { name, task } = entry.stored
    const { logger } = app.context
    const taskId = firingId(app.name ?? '', name, task, scheduledAt)
    let sent: boolean
    try {
      const prepared = prepareEntry(app, { entry: entry.stored, lazy: lazyOf(name), taskId, scheduledAt })
      logger.info(`Scheduler: Sending due task ${name} (${task})`, { taskId })
      sent = inOneStep ? await this.#fire(connection, run, prepared) : await this.#publish(prepared)
    } catch (error) {
      this.#failed(firing, error)
      return undefined
    }
    scheduler.made(firing, clock.now())
    if (!sent) return undefined
    this.#failing = false
    if (!inOneStep) this.#note(run)
    const lateMs = run.lastRunAt - scheduledAt
    logger.debug(`${task} sent. id->${taskId}`, { lateMs })
    const told = {
      name,
      task,
      taskId,
      scheduledAt: new Date(scheduledAt),
      lateMs,
      missed: lateMs >= lateEnoughMs && hasMissed(firing),
    }
    this.#options.onSent(told)
    return told
  }

  /** One line for all that were late together: after an outage it would be thousands. */
  #tellMissed(sent: readonly SentFiring[]): void {
    const missed = sent.filter((one) => one.missed)
    if (missed.length === 0) return
    const named = missed
      .slice(0, mostNamed)
      .map(({ name, scheduledAt }) => `${name} (due since ${scheduledAt.toISOString()})`)
    const more = missed.length > mostNamed ? ` and ${missed.length - mostNamed} more` : ''
    this.#options.app.context.logger.warn(
      `beat: runs were missed, as no beat was there to send them; one is sent now, the others are not made up for: ${named.join(', ')}${more}.`,
      { entries: missed.length },
    )
  }

  #failed(firing: Firing, error: unknown): void {
    const { app, clock, scheduler, inOneStep } = this.#options
    const { name, task } = firing.entry.stored
    const message = error instanceof Error ? error.message : String(error)
    const isLost = isCeleryError(error) && (error.code === 'CT_LEASE_LOST' || error.code === 'CT_CLOSED')
    if (isLost || isRetryable(error)) {
      const pauseMs = isLost ? 0 : Math.min(longestPauseMs, firstPauseMs * 2 ** Math.min(firing.attempts, 10))
      scheduler.failed(firing, clock.now() + pauseMs)
      if (isLost || inOneStep) throw error
      // Once for an outage: a line for each entry and try would be thousands.
      app.context.logger[this.#failing ? 'debug' : 'warn'](
        `The periodic task ${name} could not be sent yet: ${message} It is tried again in ${pauseMs / 1000} s, under the same id.`,
      )
      this.#failing = true
      return
    }
    app.context.logger.error(
      `The periodic task ${name} (${task}) could not be sent: ${message} This run is left out.`,
      { error },
    )
    scheduler.made(firing, clock.now())
    this.#note(firing.run)
  }

  /** False: nothing was sent, since the entry is gone or has made this run already. */
  async #fire(
    connection: ScheduleStoreConnection,
    run: ScheduleRun,
    { message, publish }: PreparedTask,
  ): Promise<boolean> {
    const { app, leadership, onStale } = this.#options
    await this.#declare(publish.declare ?? [])
    const sent = await connection.fire({ run, message, token: leadership.token })
    if (!sent) onStale(run.name)
    else if (publish.sentEvent !== undefined) app.context.taskSent(publish.sentEvent)
    return sent
  }

  /** The store pushes; that the queue is bound is the broker's to see to. */
  async #declare(queues: readonly QueueDeclaration[]): Promise<void> {
    if (queues.length === 0) return
    const connection = await this.#options.app.context.producer.connection()
    const known = this.#declared.get(connection) ?? new Set()
    this.#declared.set(connection, known)
    const fresh = queues.filter((queue) => !known.has(queue))
    if (fresh.length === 0) return
    await connection.declare(fresh)
    for (const queue of fresh) known.add(queue)
  }

  async #publish({ message, publish }: PreparedTask): Promise<true> {
    const { app, leadership, election } = this.#options
    if (election && !leadership.holds)
      throw new LeaseLostError('The lease of this beat is over; another one may lead by now.')
    await app.context.producer.publish(message, publish)
    return true
  }

  #note(run: ScheduleRun): void {
    this.#unsaved.set(run.name, run)
    this.#sinceSync++
  }

  async #saveIfDue(connection: ScheduleStoreConnection): Promise<void> {
    const { clock, election, syncEvery } = this.#options
    if (this.#unsaved.size === 0) return
    const counted = syncEvery > 0 && this.#sinceSync >= syncEvery
    if (election || counted || clock.monotonic() - this.#syncedAt >= syncPauseMs) await this.#save(connection)
  }

  async #save(connection: ScheduleStoreConnection): Promise<void> {
    const { leadership, clock } = this.#options
    const runs = [...this.#unsaved.values()]
    await connection.save({ runs, token: leadership.token })
    for (const run of runs) if (this.#unsaved.get(run.name) === run) this.#unsaved.delete(run.name)
    this.#sinceSync = 0
    this.#syncedAt = clock.monotonic()
  }
}

/** Whether the run after it had fallen due as well when it was sent. */
function hasMissed({ entry, scheduledAt, run }: Firing): boolean {
  const at = new Date(scheduledAt)
  try {
    const next = entry.schedule.next(at, at)
    return next !== undefined && next.getTime() <= run.lastRunAt
  } catch {
    // A schedule of a user's own: it is complained about where it is asked when it is due.
    return false
  }
}
