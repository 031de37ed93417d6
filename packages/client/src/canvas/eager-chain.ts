/** A chain run in place: its steps one after the other, each with the result of the one before (celery/canvas.py 5.7, `_chain.apply`). */
import type { EagerOutcome } from './eager-outcome.ts'
import type { AnySignature, SignatureCall } from './signature.ts'

/** `steps`: copies of those of the chain, which get its links. `options`: for every step. */
export async function runChainEagerly(
  chain: AnySignature,
  steps: readonly AnySignature[],
  call: SignatureCall,
  options: Readonly<Record<string, unknown>>,
): Promise<EagerOutcome> {
  // Once, on the last task (D57-89).
  for (const link of listed(chain, call, 'link')) steps.at(-1)?.addLink(link)
  for (const errback of listed(chain, call, 'link_error')) for (const step of steps) step.addErrback(errback)
  let before: EagerOutcome | undefined
  for (const step of steps) {
    if (before?.state === 'FAILURE') throw before.value
    const outcome: EagerOutcome = await step.runEagerly({
      ...call,
      args: before === undefined ? (chain.immutable ? [] : call.args) : [before.value],
      kwargs: before === undefined && !chain.immutable ? call.kwargs : {},
      options,
    })
    before = before === undefined ? outcome : withParent(outcome, before)
    if (outcome.state === 'IGNORED' || outcome.state === 'REJECTED') break
  }
  return before ?? nothing(chain)
}

/** What is linked to the chain, and to this call of it. */
function listed(chain: AnySignature, call: SignatureCall, key: 'link' | 'link_error'): readonly unknown[] {
  return [chain.options[key], call.options[key]].flatMap((list) => (list ?? []) as readonly unknown[])
}

/** Of a chain without steps. */
function nothing({ task }: AnySignature): EagerOutcome {
  return {
    id: '',
    name: task,
    state: 'SUCCESS',
    value: null,
    traceback: null,
    parent: null,
    members: null,
  }
}

function withParent(outcome: EagerOutcome, parent: EagerOutcome): EagerOutcome {
  return { ...outcome, parent: outcome.parent === null ? parent : withParent(outcome.parent, parent) }
}
