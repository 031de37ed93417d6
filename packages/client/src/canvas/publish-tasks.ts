import { PublishError } from '@ct/contracts'
import type { CeleryError } from '@ct/contracts'
import type { AppContext } from '../app/context.ts'
import { resultHandle } from './result-handles.ts'
import { prepareTask } from './send-task-message.ts'
import type { PreparedTask } from './send-task-message.ts'
import type { AnySignature, SignatureCall } from './signature.ts'
import { TaskSignature } from './task-signature.ts'

const noCall: SignatureCall = Object.freeze({ args: [], kwargs: {}, options: {} })

interface Failure {
  readonly index: number
  readonly id: string
  readonly error: CeleryError
}

interface ManyOptions {
  readonly signal?: AbortSignal | undefined
}

/** Tasks of one step: enough to fill a packet many times over, few enough that building the next overlaps with sending this. */
const step = 1000

/**
 * Publishes many prepared tasks in one step where the broker can; retry options are those of the first. Rejects with a `PublishError`
 * (`CT_PUBLISH`) whose `details.failures` names the tasks that were not taken, by index and id; the others are sent.
 */
export async function publishTasks(
  context: AppContext,
  prepared: readonly PreparedTask[],
  options: ManyOptions = {},
): Promise<void> {
  throwIfAny(await tryPublish(context, prepared, options), prepared.length)
}

/** Sends many signatures; resolves to their handles in order. See `App.sendMany`. */
export async function sendMany(
  context: AppContext,
  signatures: readonly AnySignature[],
  options: ManyOptions,
): Promise<unknown[]> {
  const handles: unknown[] = []
  const failures: Failure[] = []
  let under = Promise.resolve()
  for (let at = 0; at < signatures.length; at += step) {
    const next = sendStep(context, signatures.slice(at, at + step), at, handles, options).then(
      (failed) => void failures.push(...failed),
    )
    // Awaited in the next round, or below.
    next.catch(() => {})
    // One step is under way while the next is built.
    await under
    under = next
  }
  await under
  throwIfAny(failures, signatures.length)
  return handles
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
  signatures.forEach((signature, index) => {
    const place = offset + index
    if (context.settings.taskAlwaysEager || !(signature instanceof TaskSignature)) {
      others.push(
        signature.applyAsync({ signal: options.signal }).then((handle) => {
          handles[place] = handle
        }),
      )
      return
    }
    const checking = (signature as TaskSignature).check(noCall)
    if (checking instanceof Promise) others.push(checking)
    const one = prepareTask(context, callOf(signature as TaskSignature))
    prepared.push(one)
    places.push(place)
    handles[place] = resultHandle(context, one.result)
  })
  const [failed] = await Promise.all([tryPublish(context, prepared, options), ...others])
  return failed.map((failure) => ({ ...failure, index: places[failure.index]! }))
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
  await context.results.beforePublish()
  const outcomes = await context.producer.publishMany(
    prepared.map(({ message }) => message),
    {
      declare: [...new Set(prepared.flatMap(({ publish }) => publish.declare ?? []))],
      signal: options.signal,
      retry: first.retry,
      retryPolicy: first.retryPolicy,
      ...(first.timeoutMs === undefined ? {} : { timeoutMs: first.timeoutMs }),
    },
  )
  const failures: Failure[] = []
  outcomes.forEach((error, index) => {
    const { publish, result } = prepared[index]!
    if (error !== undefined) failures.push({ index, id: result.id, error })
    else if (publish.sentEvent !== undefined) context.taskSent(publish.sentEvent)
  })
  return failures
}

function throwIfAny(failures: readonly Failure[], total: number): void {
  const [first] = failures
  if (first === undefined) return
  const maybe = ({ error }: Failure): boolean => error.details['maybeDelivered'] === true
  throw new PublishError(
    `${failures.length} of ${total} tasks could not be sent; the first: ${first.error.message}`,
    {
      cause: first.error,
      retryable: first.error.retryable,
      maybeDelivered: failures.some(maybe),
      details: {
        failures: failures.map((failure) => ({
          index: failure.index,
          id: failure.id,
          code: failure.error.code,
          maybeDelivered: maybe(failure),
        })),
      },
    },
  )
}
