/** What is known of one task from its events (celery/events/state.py 5.7, Task). */
import { readyStates, statePrecedence, type TaskState } from '@ct/contracts'
import type { State } from './state.ts'
import type { WorkerRecord } from './worker-record.ts'

/** State that an event tells of; others become their own name in upper case. */
const stateOf: Readonly<Record<string, TaskState>> = {
  sent: 'PENDING',
  received: 'RECEIVED',
  started: 'STARTED',
  failed: 'FAILURE',
  retried: 'RETRY',
  succeeded: 'SUCCESS',
  revoked: 'REVOKED',
  rejected: 'REJECTED',
}

/** Of an event that comes late, only these fields count; states that are not here give all of theirs, but not the state. */
const lateFields: Readonly<Record<string, readonly string[]>> = {
  RECEIVED: ['name', 'args', 'kwargs', 'parent_id', 'root_id', 'retries', 'eta', 'expires'],
}

const infoFields = [
  'args',
  'kwargs',
  'retries',
  'result',
  'eta',
  'runtime',
  'expires',
  'exception',
  'exchange',
  'routing_key',
  'root_id',
  'parent_id',
] as const

/** Instants, in epoch seconds of whoever sent the event. */
export type TaskInstant =
  | 'sent'
  | 'received'
  | 'started'
  | 'succeeded'
  | 'failed'
  | 'retried'
  | 'revoked'
  | 'rejected'

export class TaskRecord {
  readonly uuid: string
  state: TaskState = 'PENDING'
  /** Of its last event; late ones of a state that only fills in do not count. Epoch seconds. */
  timestamp: number | null = null
  /** Node name of who sent it, if `task-sent` was heard. */
  client: string | null = null
  /** That received or ran it. */
  worker: WorkerRecord | null = null
  /** All that its events said, by the wire's names. */
  fields: Readonly<Record<string, unknown>> = {}
  readonly #state: State
  readonly #instants: Partial<Record<TaskInstant, number>> = {}

  constructor(uuid: string, state: State) {
    this.uuid = uuid
    this.#state = state
  }

  get name(): string | null {
    return this.#text('name')
  }

  /** `repr` text of the positional arguments. */
  get args(): string | null {
    return this.#text('args')
  }

  get kwargs(): string | null {
    return this.#text('kwargs')
  }

  /** `repr` text of the value returned. */
  get result(): string | null {
    return this.#text('result')
  }

  get exception(): string | null {
    return this.#text('exception')
  }

  get traceback(): string | null {
    return this.#text('traceback')
  }

  get eta(): string | null {
    return this.#text('eta')
  }

  get expires(): string | null {
    return this.#text('expires')
  }

  get exchange(): string | null {
    return this.#text('exchange')
  }

  get routingKey(): string | null {
    return this.#text('routing_key')
  }

  get rootId(): string | null {
    return this.#text('root_id')
  }

  get parentId(): string | null {
    return this.#text('parent_id')
  }

  get retries(): number | null {
    return this.#number('retries')
  }

  /** Seconds. */
  get runtime(): number | null {
    return this.#number('runtime')
  }

  /** Logical clock of its last event. */
  get clock(): number {
    return this.#number('clock') ?? 0
  }

  /** When an event of that kind was sent; undefined: not heard of. */
  at(instant: TaskInstant): number | undefined {
    return this.#instants[instant]
  }

  /** Nothing more will happen to it. */
  get ready(): boolean {
    return readyStates.has(this.state)
  }

  /** Who it was last heard of from. */
  get origin(): string | null {
    return this.worker?.id ?? this.client
  }

  get parent(): TaskRecord | undefined {
    return this.parentId === null ? undefined : this.#state.tasks.get(this.parentId)
  }

  get root(): TaskRecord | undefined {
    return this.rootId === null ? undefined : this.#state.tasks.get(this.rootId)
  }

  /** Those of its children that are known. */
  get children(): readonly TaskRecord[] {
    return this.#state.childrenOf(this.uuid)
  }

  /** Fields for display; those that are not known are left out. */
  info(names: readonly string[] = infoFields): Readonly<Record<string, unknown>> {
    return Object.fromEntries(
      names.flatMap((name) => (this.fields[name] == null ? [] : [[name, this.fields[name]]])),
    )
  }

  /**
   * An event of it. One that tells of a state before the present one came late: it may fill in what is not known and changes
   * no state. RETRY comes and goes, whatever the order.
   */
  event(subject: string, timestamp: number, fields: Readonly<Record<string, unknown>>): void {
    const known = Object.hasOwn(stateOf, subject) ? stateOf[subject] : undefined
    const state = known ?? subject.toUpperCase()
    if (known !== undefined) this.#instants[subject as TaskInstant] = timestamp
    const late =
      state !== 'RETRY' && this.state !== 'RETRY' && statePrecedence(state) > statePrecedence(this.state)
    const keep = late && Object.hasOwn(lateFields, state) ? lateFields[state] : undefined
    if (!late) this.state = state
    if (keep === undefined) this.timestamp = timestamp
    this.fields = {
      ...this.fields,
      ...(keep === undefined
        ? fields
        : Object.fromEntries(Object.entries(fields).filter(([name]) => keep.includes(name)))),
    }
  }

  /** As Python's `Task.as_dict`: the wire's names, ids in place of records. */
  toJSON(): Readonly<Record<string, unknown>> {
    const { uuid, state, timestamp, client, rootId, parentId, name, args, kwargs, eta, expires } = this
    const { retries, result, exception, runtime, traceback, exchange, routingKey, clock } = this
    return {
      uuid,
      name,
      state,
      ...Object.fromEntries(instants.map((instant) => [instant, this.#instants[instant] ?? null])),
      args,
      kwargs,
      eta,
      expires,
      retries,
      worker: this.worker?.hostname ?? null,
      result,
      exception,
      timestamp,
      runtime,
      traceback,
      exchange,
      routing_key: routingKey,
      clock,
      client,
      root: rootId,
      root_id: rootId,
      parent: parentId,
      parent_id: parentId,
      children: this.children.map((child) => child.uuid),
    }
  }

  /** From what {@link toJSON} gave. */
  restore(saved: Readonly<Record<string, unknown>>, worker: WorkerRecord | null): void {
    const { state, timestamp, client } = saved
    if (typeof state === 'string') this.state = state
    if (typeof timestamp === 'number') this.timestamp = timestamp
    if (typeof client === 'string') this.client = client
    this.worker = worker
    for (const instant of instants) {
      const at = saved[instant]
      if (typeof at === 'number') this.#instants[instant] = at
    }
    this.fields = Object.fromEntries(savedFields.map((name) => [name, saved[name] ?? null]))
  }

  #text(name: string): string | null {
    const value = this.fields[name]
    return typeof value === 'string' ? value : value == null ? null : JSON.stringify(value)
  }

  #number(name: string): number | null {
    const value = this.fields[name]
    return typeof value === 'number' ? value : null
  }
}

const instants: readonly TaskInstant[] = [
  'sent',
  'received',
  'started',
  'rejected',
  'succeeded',
  'failed',
  'retried',
  'revoked',
]

const savedFields = [...infoFields, 'name', 'traceback', 'clock'] as const
