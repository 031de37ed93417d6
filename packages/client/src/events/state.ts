/**
 * The state of a fleet as its events tell it (celery/events/state.py 5.7). Feed it every event, in whatever order they come; memory
 * is bounded by `maxWorkersInMemory` and `maxTasksInMemory`, beyond which whoever was not heard of for longest is forgotten.
 *
 * ```ts
 * const state = new State()
 * const receiver = app.events.receiver({ handlers: { '*': (event) => state.event(event) } })
 * ```
 */
import { ConfigurationError } from '@ct/contracts'
import { ClockDrift } from './clock-drift.ts'
import { EventOrder, type TaskListOptions } from './event-order.ts'
import { checkKnownOptions } from './known-options.ts'
import type { KnownOptions } from './known-options.ts'
import { LatestMap } from './latest-map.ts'
import { TaskRecord } from './task-record.ts'
import { WorkerRecord } from './worker-record.ts'

/** An event as it came; what is missing or of another kind costs that event, nothing else. */
export type EventFields = Readonly<Record<string, unknown>>

export interface StateOptions {
  /** Told of each event before it is worked in. */
  readonly onEvent?: ((state: State, event: EventFields) => void) | undefined
  /** A worker was heard of for the first time, or says that it has started. */
  readonly onNodeJoin?: ((worker: WorkerRecord) => void) | undefined
  /** A worker says goodbye. With this given, it is also forgotten. */
  readonly onNodeLeave?: ((worker: WorkerRecord) => void) | undefined
  /** Default 5,000. */
  readonly maxWorkersInMemory?: number | undefined
  /** Default 10,000. */
  readonly maxTasksInMemory?: number | undefined
  /** Milliseconds since 1970. */
  readonly now?: (() => number) | undefined
  /** Told once per node whose clock is off. */
  readonly warn?: ((message: string) => void) | undefined
}

const known: KnownOptions<StateOptions> = {
  onEvent: 'callback',
  onNodeJoin: 'callback',
  onNodeLeave: 'callback',
  maxWorkersInMemory: 'any',
  maxTasksInMemory: 'any',
  now: 'callback',
  warn: 'callback',
}

export class State {
  /** Events seen. */
  eventCount = 0
  /** Tasks received by workers. */
  taskCount = 0
  readonly #options: StateOptions
  readonly #workers: LatestMap<WorkerRecord>
  readonly #tasks: LatestMap<TaskRecord>
  readonly #order = new EventOrder()
  readonly #children = new Map<string, Set<string>>()
  readonly #types: LatestMap<true>
  readonly #drift: ClockDrift
  /** Who looks at it now, and what came meanwhile. */
  #looking = 0
  #waiting: EventFields[] = []
  #forgotten = 0
  #clearsAfter = false
  readonly #mostWaiting: number

  /** Errors: `CT_CONFIGURATION`. */
  constructor(options: StateOptions = {}) {
    checkKnownOptions('The state of a fleet', options, known)
    this.#options = options
    this.#drift = new ClockDrift(options.warn)
    this.#workers = new LatestMap(atLeastOne(options.maxWorkersInMemory ?? 5000, 'maxWorkersInMemory'))
    const maxTasks = atLeastOne(options.maxTasksInMemory ?? 10_000, 'maxTasksInMemory')
    this.#tasks = new LatestMap(maxTasks, (uuid, task) => this.#forget(uuid, task))
    this.#types = new LatestMap(Math.max(maxTasks, 1000))
    this.#mostWaiting = Math.max(10 * maxTasks, 1000)
  }

  /** By node name; who was heard of last comes last. */
  get workers(): ReadonlyMap<string, WorkerRecord> {
    return this.#workers.entries
  }

  /** By id; what was heard of last comes last. */
  get tasks(): ReadonlyMap<string, TaskRecord> {
    return this.#tasks.entries
  }

  /** Works an event in. Whatever the event, it throws only what a callback of yours throws. */
  event(event: EventFields): void {
    if (this.#looking > 0) {
      this.#waiting.push(event)
      if (this.#waiting.length >= 2 * this.#mostWaiting) this.#forgetWaiting()
      return
    }
    this.eventCount++
    this.#options.onEvent?.(this, event)
    const { type } = event
    if (typeof type !== 'string') return
    const dash = type.indexOf('-')
    const group = dash === -1 ? type : type.slice(0, dash)
    const subject = dash === -1 ? '' : type.slice(dash + 1)
    if (group === 'worker') this.#workerEvent(subject, event)
    else if (group === 'task') this.#taskEvent(subject, event)
  }

  /**
   * Nothing changes while `read` looks; what comes meanwhile is worked in after it, and after others that look. `clearAfter` then forgets what is
   * ready. Beyond ten events for each task in memory the oldest that wait are forgotten.
   */
  async freezeWhile<T>(
    read: (state: State) => T | Promise<T>,
    options: { readonly clearAfter?: boolean | undefined } = {},
  ): Promise<T> {
    this.#looking += 1
    try {
      return await read(this)
    } finally {
      this.#looking -= 1
      if (options.clearAfter === true) this.#clearsAfter = true
      if (this.#looking === 0) this.#thaw()
    }
  }

  #thaw(): void {
    if (this.#clearsAfter) this.clear()
    this.#clearsAfter = false
    this.#forgetWaiting()
    const [waiting, forgotten] = [this.#waiting, this.#forgotten]
    this.#waiting = []
    this.#forgotten = 0
    this.eventCount += forgotten
    if (forgotten > 0) {
      this.#options.warn?.(
        `${forgotten} events were forgotten: so many came while somebody looked at the state of the fleet. Look for a shorter time.`,
      )
    }
    for (const event of waiting) {
      try {
        this.event(event)
      } catch (error) {
        // What a callback throws must not cost the events that come after.
        this.#options.warn?.(
          `A callback of the state of the fleet failed: ${error instanceof Error ? error.message : String(error)}`,
        )
      }
    }
  }

  #forgetWaiting(): void {
    const surplus = this.#waiting.length - this.#mostWaiting
    if (surplus <= 0) return
    this.#waiting.splice(0, surplus)
    this.#forgotten += surplus
  }

  /** Forgets workers, counts, and tasks that are ready; with `ready: false` all tasks. */
  clear(options: { readonly ready?: boolean | undefined } = {}): void {
    this.#workers.clear()
    this.clearTasks(options)
    this.eventCount = 0
    this.taskCount = 0
  }

  /** Forgets tasks that are ready; with `ready: false` all of them. */
  clearTasks(options: { readonly ready?: boolean | undefined } = {}): void {
    for (const [uuid, task] of [...this.tasks]) {
      if (options.ready === false || task.ready) this.#tasks.delete(uuid)
    }
  }

  /** As many as `limit` of the tasks in memory. */
  *itertasks(limit: number = Infinity): Generator<[uuid: string, task: TaskRecord]> {
    let count = 0
    for (const entry of this.tasks) {
      if (count++ >= limit) return
      yield entry
    }
  }

  /** By logical clock, and by time where there is none; of the last event, or with `reverse: false` of the first. */
  tasksByTime(options: TaskListOptions = {}): TaskRecord[] {
    return this.#order.sorted([...this.tasks.values()], options)
  }

  /** Celery's other name of {@link tasksByTime}. */
  tasksByTimestamp(options: TaskListOptions = {}): TaskRecord[] {
    return this.tasksByTime(options)
  }

  tasksByType(name: string, options: TaskListOptions = {}): TaskRecord[] {
    return this.#order.sorted(
      [...this.tasks.values()].filter((task) => task.name === name),
      options,
    )
  }

  /** Of the worker of that node name. */
  tasksByWorker(hostname: string, options: TaskListOptions = {}): TaskRecord[] {
    return this.#order.sorted(
      [...this.tasks.values()].filter((task) => task.worker?.hostname === hostname),
      options,
    )
  }

  /** Names of all tasks ever seen, sorted. */
  taskTypes(): string[] {
    return [...this.#types.entries.keys()].toSorted()
  }

  aliveWorkers(): WorkerRecord[] {
    return [...this.workers.values()].filter((worker) => worker.alive)
  }

  /** Those of a task's children that are known. */
  childrenOf(uuid: string): TaskRecord[] {
    return [...(this.#children.get(uuid) ?? [])].flatMap((child) => this.tasks.get(child) ?? [])
  }

  /** Takes a worker out: it was not heard of for too long. */
  forgetWorker(hostname: string): void {
    this.#workers.delete(hostname)
  }

  /** For {@link State.from}. */
  toJSON(): Readonly<Record<string, unknown>> {
    return {
      eventCount: this.eventCount,
      taskCount: this.taskCount,
      types: this.taskTypes(),
      workers: [...this.workers.values()],
      tasks: [...this.#tasks.entries].map(([uuid, task]) => ({
        ...task.toJSON(),
        span: this.#order.spanOf(uuid),
      })),
    }
  }

  /** From the JSON of another: `State.from(JSON.parse(JSON.stringify(state)))`. Errors: `CT_CONFIGURATION`. */
  static from(saved: unknown, options: StateOptions = {}): State {
    const state = new State(options)
    if (!isObject(saved) || !Array.isArray(saved['workers']) || !Array.isArray(saved['tasks'])) {
      throw new ConfigurationError('This is no saved state: it has no workers and no tasks.')
    }
    for (const worker of saved['workers'].filter(isObject)) state.#restoreWorker(worker)
    for (const task of saved['tasks'].filter(isObject)) state.#restoreTask(task)
    if (typeof saved['eventCount'] === 'number') state.eventCount = saved['eventCount']
    if (typeof saved['taskCount'] === 'number') state.taskCount = saved['taskCount']
    const types: unknown = saved['types']
    if (Array.isArray(types)) for (const type of types) state.#types.set(String(type), true)
    return state
  }

  #restoreWorker(saved: EventFields): void {
    const { hostname, heartbeats } = saved
    if (typeof hostname !== 'string') return
    const worker = this.#workerOf(hostname)
    const fields: Record<string, unknown> = { ...saved }
    delete fields['heartbeats']
    worker.update(fields)
    if (Array.isArray(heartbeats)) worker.heartbeats = heartbeats.filter((at) => typeof at === 'number')
  }

  #restoreTask(saved: EventFields): void {
    const { uuid, worker, span } = saved
    if (typeof uuid !== 'string') return
    const task = new TaskRecord(uuid, this)
    task.restore(saved, typeof worker === 'string' ? this.#workerOf(worker) : null)
    this.#tasks.set(uuid, task)
    this.#order.restore(uuid, span)
    this.#linkToParent(task)
  }

  #workerEvent(subject: string, event: EventFields): void {
    const { hostname, timestamp, local_received: received } = event
    if (typeof hostname !== 'string') return
    const known = this.workers.get(hostname)
    const offline = subject === 'offline'
    // One that says goodbye and was never heard of is not remembered.
    const worker =
      known ?? (offline ? new WorkerRecord(hostname, this.#options.now) : this.#workerOf(hostname))
    this.#workers.touch(hostname)
    worker.update(event)
    if (offline) worker.gone()
    else if (isInstant(received) && isInstant(timestamp)) {
      this.#drift.watch(hostname, received, timestamp)
      worker.heard(received)
    }
    const { onNodeJoin, onNodeLeave } = this.#options
    if (subject === 'online' || (known === undefined && !offline)) onNodeJoin?.(worker)
    if (offline && onNodeLeave !== undefined) {
      onNodeLeave(worker)
      this.#workers.delete(hostname)
    }
  }

  #taskEvent(subject: string, event: EventFields): void {
    const { uuid, hostname, timestamp, local_received: received, clock } = event
    if (typeof uuid !== 'string' || typeof hostname !== 'string' || !isInstant(timestamp)) return
    let task = this.tasks.get(uuid)
    const parentBefore = task?.parentId
    if (task === undefined) {
      task = new TaskRecord(uuid, this)
      this.#tasks.set(uuid, task)
    } else this.#tasks.touch(uuid)
    let origin = hostname
    if (subject === 'sent') task.client = hostname
    else {
      const worker = this.#workerOf(hostname)
      this.#workers.touch(hostname)
      task.worker = worker
      // Who reports on tasks is alive.
      if (isInstant(received)) worker.heard(received)
      origin = worker.id
    }
    if (subject === 'received') this.taskCount++
    this.#order.add(uuid, { clock: isInstant(clock) ? clock : 0, timestamp, origin })
    task.event(subject, timestamp, event)
    if (parentBefore !== task.parentId) this.#unlink(uuid, parentBefore)
    if (task.name !== null && !this.#types.entries.has(task.name)) this.#types.set(task.name, true)
    this.#linkToParent(task)
  }

  #workerOf(hostname: string): WorkerRecord {
    const known = this.workers.get(hostname)
    if (known !== undefined) return known
    const worker = new WorkerRecord(hostname, this.#options.now)
    this.#workers.set(hostname, worker)
    return worker
  }

  #linkToParent(task: TaskRecord): void {
    const { parentId, uuid } = task
    if (parentId === null || parentId === '') return
    const siblings = this.#children.get(parentId)
    if (siblings === undefined) this.#children.set(parentId, new Set([uuid]))
    else siblings.add(uuid)
  }

  #forget(uuid: string, task: TaskRecord): void {
    this.#order.delete(uuid)
    this.#unlink(uuid, task.parentId)
  }

  #unlink(uuid: string, parentId: string | null | undefined): void {
    const siblings = this.#children.get(parentId ?? '')
    siblings?.delete(uuid)
    if (siblings?.size === 0) this.#children.delete(parentId!)
  }
}

function isObject(value: unknown): value is EventFields {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isInstant(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value)
}

function atLeastOne(value: number, name: string): number {
  if (Number.isSafeInteger(value) && value >= 1) return value
  throw new ConfigurationError(`${name} is ${String(value)}. Give a whole number from 1.`)
}
