/** A chord that was begun, and whose members could not all be sent: it can never be complete, and its sender has the error. */
import { ChordError, pyRepr, stepsOfChain } from '@ct/contracts'
import type { ChainSource } from '@ct/contracts'
import type { AppContext } from '../app/context.ts'
import type { MembersNotSent } from './prepare-members.ts'
import { Signature } from './signature.ts'
import type { AnySignature, SignatureCall } from './signature.ts'

export interface ChordNotSent extends MembersNotSent {
  readonly groupId: string
  readonly members: number
  readonly body: AnySignature
  readonly call: SignatureCall
}

/** How long the sender, who has an error to throw, waits for the store. */
const patienceMs = 2000
/** Failures that are stored together. */
const mostTogether = 200

/**
 * Nobody shall wait for it until it has waited long enough (`chordStallTimeoutMs`): the store counts no more parts, and where a member is on its way
 * already, the body and what follows it is FAILURE at once, for whoever waits for them. Error callbacks are for tasks that fail; whoever sends has the
 * error. Of no effect where all members may have been sent.
 */
export async function endNotSent(context: AppContext, chord: ChordNotSent): Promise<void> {
  const { results, backend } = context
  if (chord.missing === 0) return
  const signal = AbortSignal.timeout(patienceMs)
  try {
    if (backend?.capabilities.chord === 'native')
      await (await results.connection({ signal })).chord?.fail(chord.groupId)
    // Where nothing was sent nothing has happened. Who sends the same again makes it whole.
    if (chord.missing >= chord.members || chord.call.final !== true) return
    const error = new ChordError(`The header could not be sent: ${pyRepr(chord.error)}`, {
      cause: chord.error,
    })
    const ids = idsBehind(chord)
    for (let at = 0; at < ids.length; at += mostTogether) {
      const writes = ids
        .slice(at, at + mostTogether)
        .map((taskId) => results.encodeResult({ taskId, state: 'FAILURE', result: error, children: null }))
      await results.store(writes, { signal })
    }
  } catch {
    // The error that is thrown says more. Workers find the chord when it has waited long enough.
  }
}

/** Of the body, and of the steps of the chain that the chord is in. */
function idsBehind({ body, call }: ChordNotSent): readonly string[] {
  const later = stepsOfChain((call.options['chain'] ?? []) as ChainSource)
  return [body, ...later].flatMap((step) => (step instanceof Signature ? idsOf(step as AnySignature) : []))
}

function idsOf(step: AnySignature): readonly string[] {
  const { body, tasks } = step as Partial<{ body: AnySignature; tasks: readonly AnySignature[] }>
  if (step.subtaskType === 'chord') return idsOf(body!)
  const own = typeof step.id === 'string' && step.subtaskType !== 'chain' ? [step.id] : []
  return [...own, ...(tasks ?? []).flatMap(idsOf)]
}
