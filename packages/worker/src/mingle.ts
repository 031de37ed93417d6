/** At the start a worker asks the others for their revoked ids and clocks (celery/worker/consumer/mingle.py 5.7). */
import type { AppContext } from '@ct/client'
import { mergeRevoked } from './control/index.ts'
import type { Revocations } from './request/index.ts'

export interface MingleOptions {
  readonly context: AppContext
  readonly hostname: string
  readonly revocations: Revocations
  readonly signal: AbortSignal
}

/** Trouble with it is no reason not to start: it is logged. */
export async function mingle({ context, hostname, revocations, signal }: MingleOptions): Promise<void> {
  try {
    const replies = await context.control.broadcast('hello', {
      // Our own answer is left out by `instance`: whatever comes under our name is another's.
      arguments: { from_node: hostname, revoked: revocations.ids.ids(), instance: context.oid },
      reply: true,
      timeoutMs: 1000,
      signal,
    })
    const all = replies.flatMap((reply) => Object.entries(reply))
    const others = all.filter(([node]) => node !== hostname)
    if (others.length < all.length) {
      context.logger.warn(
        `Another worker is named ${hostname} too: they answer for each other in remote control, and monitors take them for one. Give each a name of its own (-n).`,
      )
    }
    for (const [, value] of others) {
      if (typeof value !== 'object' || value === null) continue
      const { clock, revoked } = value as { readonly clock?: unknown; readonly revoked?: unknown }
      if (typeof clock === 'number') context.clock.adjust(clock)
      mergeRevoked({ revocations }, revoked)
    }
    if (others.length > 0) context.logger.info(`mingle: sync with ${others.length} nodes`)
  } catch (error) {
    if (signal.aborted) return
    context.logger.warn('The other workers could not be asked for their revoked ids.', { error })
  }
}
