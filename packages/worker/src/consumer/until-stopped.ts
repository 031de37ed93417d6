import { ClosedError } from '@ct/contracts'

/**
 * The outcome of `work`, or a rejection with `CT_CLOSED` when that has not come `patienceMs` after the worker was told to stop. `onOver` is called
 * then: what the work comes to later concerns nobody.
 */
export async function untilStopped(
  work: Promise<void>,
  stopping: AbortSignal,
  patienceMs: number,
  onOver: () => void,
): Promise<void> {
  const { promise: over, reject } = Promise.withResolvers<never>()
  let timer: NodeJS.Timeout | undefined
  const onAbort = (): void => {
    timer = setTimeout(() => {
      onOver()
      reject(new ClosedError('The broker did not answer before the worker stopped.'))
    }, patienceMs)
  }
  if (stopping.aborted) onAbort()
  else stopping.addEventListener('abort', onAbort, { once: true })
  try {
    await Promise.race([work, over])
  } finally {
    clearTimeout(timer)
    stopping.removeEventListener('abort', onAbort)
    work.catch(() => undefined)
  }
}
