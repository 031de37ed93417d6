import type { App } from '@ct/client'
import { BackendUnavailableError, isCeleryError } from '@ct/contracts'

/** Waiting for a result has no end; waiting for the backend itself has. */
export async function reachBackend(app: App): Promise<void> {
  const { results } = app.context
  let last: Error | undefined
  const stop = results.listen({ onConnectFailed: (error) => void (last = error) })
  try {
    await results.connection({ signal: AbortSignal.timeout(4_000) })
  } catch (error) {
    if (!isCeleryError(error) || error.code !== 'CT_ABORTED') throw error
    throw new BackendUnavailableError('The result backend cannot be reached.', { cause: last ?? error })
  } finally {
    stop()
  }
}
