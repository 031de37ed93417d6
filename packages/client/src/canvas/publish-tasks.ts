import { isCeleryError, isRetryable, PublishError } from '@ct/contracts'
import type { AppContext } from '../app/context.ts'
import type { PublishOptions } from '../producer/index.ts'
import type { Outbox } from './outbox.ts'
import { resultHandle } from './result-handles.ts'
import { mayHaveBeenSent, notSent, prepareTask } from './send-task-message.ts'
import type { PreparedTask } from './send-task-message.ts'
import type { AnySignature, SignatureCall } from './signature.ts'
import { TaskSignature } from './task-signature.ts'

const noCall: SignatureCall = Object.freeze({ args: [], kwargs: {}, options: {} })

interface Failure {
  readonly index: number
  /** null: it had none yet. */
  readonly id: string | null
  readonly error: unknown
}

interface ManyOptions {
  readonly signal?: AbortSignal | undefined
  /** Takes the messages instead of the producer, if it can take them all. */
  readonly outbox?: Outbox | undefined
  /** Tasks of the same canvas that came before these: errors count from there. */
  readonly offset?: number | undefined
}

/** Tasks of one step: enough to fill a packet many times over, few enough that building the next overlaps with sending this. */
const step = 250

/**
 * Publishes many prepared tasks in one step where the broker can; retry options are those of the first. Rejects with a `PublishError`
 * (`CT_PUBLISH`) whose `details.failures` names the tasks that were not taken, by index and id; the others are sent.
 */
export async function publishTasks(
  context: AppContext,
  prepared: readonly PreparedTask[],
  options: ManyOptions = {},
): Promise<void> {
  const { offset = 0 } = options
  const failures = await tryPublish(context, prepared, options)
  throwIfAny(
    offset === 0 ? failures : failures.map((failure) => ({ ...failure, index: offset + failure.index })),
    prepared.length,
  )
}

/** Sends many signatures; resolves to their handles in order. See `App.sendMany`. */
export async function sendMany(
  context: AppContext,
  signatures: readonly AnySignature[],
  options: ManyOptions,
): Promise<unknown[]> {
  await checkAll(signatures)
  const handles: unknown[] = []
  const failures: Failure[] = []
  let under = Promise.resolve()
  for (let at = 0; at < signatures.length; at += step) {
    const next = sendStep(context, signatures.slice(at, at + step), at, handles, options).then(
      (failed) => void failures.push(...failed),
    )
    // Awaited in the next round, or below.
    next.catch(() => {})
    // What was handed over goes out before the next step is built, and the broker works on it meanwhile.
    if (at + step < signatures.length) await new Promise((resolve) => setImmediate(resolve))
    // One step is under way while the next is built.
    await under
    under = next
  }
  await under
  throwIfAny(failures, signatures.length)
  return handles
}

/** All before any is sent: wrong arguments are a mistake in the program, and then nothing has happened. */
async function checkAll(signatures: readonly AnySignature[]): Promise<void> {
  const checks: Promise<unknown>[] = []
  try {
    for (const signature of signatures) {
      const checking = signature.check(noCall)
      if (checking instanceof Promise) checks.push(checking)
    }
  } catch (error) {
    // Nobody else waits for those that were begun.
    void Promise.allSettled(checks)
    throw error
  }
  await Promise.all(checks)
}

async function sendStep(
  context: AppContext,
  signatures: readonly AnySignature[],
  offset: number,
  handles: unknown[],
  options: ManyOptions,
): Promise<readonly Failure[]> {
  const prepared: PreparedTask[] = []
  const places: number[] = []
  const others: Promise<unknown>[] = []
  const failures: Failure[] = []
  const eager = context.settings.taskAlwaysEager
  signatures.forEach((signature, position) => {
    const index = offset + position
    if (eager || !(signature instanceof TaskSignature)) {
      const applied = signature.applyAsync({ signal: options.signal }).then((handle) => {
        handles[index] = handle
      })
      // What a task throws that runs here is no failure to send it.
      others.push(
        eager ? applied : applied.catch((error: unknown) => failures.push({ index, id: null, error })),
      )
      return
    }
    try {
      const one = prepareTask(context, callOf(signature as TaskSignature))
      prepared.push(one)
      places.push(index)
      handles[index] = resultHandle(context, one.result)
    } catch (error) {
      failures.push({ index, id: (signature as TaskSignature).id ?? null, error })
    }
  })
  const [failed] = await Promise.all([tryPublish(context, prepared, options), ...others])
  return [...failures, ...failed.map((failure) => ({ ...failure, index: places[failure.index]! }))]
}

function callOf(signature: TaskSignature): Parameters<typeof prepareTask>[1] {
  const { task, args, kwargs, options } = signature
  for (const _ in options) return { task, args, kwargs, options }
  return { task, args, kwargs }
}

async function tryPublish(
  context: AppContext,
  prepared: readonly PreparedTask[],
  options: ManyOptions,
): Promise<readonly Failure[]> {
  const first = prepared[0]?.publish
  if (first === undefined) return []
  for (const { announcement } of prepared) if (announcement !== undefined) await announcement.before()
  if (options.outbox?.take(prepared) === true) return []
  const outcomes = await publishAll(context, prepared, first, options)
  const failures: Failure[] = []
  const after: (Promise<void> | undefined)[] = []
  outcomes.forEach((error, index) => {
    const { publish, result, announcement } = prepared[index]!
    if (error !== undefined) {
      announcement?.failed(error)
      failures.push({ index, id: result.id, error })
      if (!mayHaveBeenSent(error)) notSent(result)
      return
    }
    if (announcement !== undefined) after.push(announcement.after())
    if (publish.sentEvent !== undefined) context.taskSent(publish.sentEvent)
  })
  if (after.length > 0) await Promise.all(after)
  return failures
}

async function publishAll(
  context: AppContext,
  prepared: readonly PreparedTask[],
  first: PublishOptions,
  options: ManyOptions,
): Promise<readonly (Error | undefined)[]> {
  try {
    await context.results.beforePublish({ signal: options.signal })
    return await context.producer.publishMany(
      prepared.map(({ message }) => message),
      {
        declare: [...new Set(prepared.flatMap(({ publish }) => publish.declare ?? []))],
        exchanges: [...new Set(prepared.flatMap(({ publish }) => publish.exchanges ?? []))],
        signal: options.signal,
        retry: first.retry,
        retryPolicy: first.retryPolicy,
        ...(first.timeoutMs === undefined ? {} : { timeoutMs: first.timeoutMs }),
      },
    )
  } catch (error) {
    for (const { announcement } of prepared) announcement?.failed(error)
    throw error
  }
}

function throwIfAny(failures: readonly Failure[], total: number): void {
  const [first] = failures.toSorted((a, b) => a.index - b.index)
  if (first === undefined) return
  const { error } = first
  throw new PublishError(
    `${failures.length} of ${total} tasks could not be sent; the first: ${error instanceof Error ? error.message : String(error)}`,
    {
      cause: error,
      retryable: isRetryable(error),
      maybeDelivered: failures.some((failure) => mayHaveBeenSent(failure.error)),
      details: {
        failures: failures.map((failure) => ({
          index: failure.index,
          id: failure.id,
          code: isCeleryError(failure.error) ? failure.error.code : undefined,
          maybeDelivered: mayHaveBeenSent(failure.error),
        })),
      },
    },
  )
}
