import { ConfigurationError } from '@ct/contracts'
import type { AppContext } from '../app/context.ts'
import { AsyncResult, EagerResult, GroupResult, inLine } from '../result/index.ts'
import type { ResultNode } from '../result/index.ts'
import { EagerGroupResult } from './eager-group-result.ts'
import type { EagerOutcome } from './eager-outcome.ts'
import type { FrozenResult } from './frozen-result.ts'

/** The handle a caller gets. */
export function resultHandle(context: AppContext, frozen: FrozenResult): ResultNode {
  return inLine<FrozenResult, ResultNode>(frozen, (one, parent) => handleBehind(context, one, parent))
}

function handleBehind(context: AppContext, frozen: FrozenResult, parent: ResultNode | null): ResultNode {
  if (frozen.children === null) {
    return new AsyncResult(frozen.id, context.resultContext, { parent, ignored: frozen.ignored })
  }
  const members = frozen.children.map((child) => resultHandle(context, child))
  // A group whose only member is a group itself is that group (CANVAS-48).
  if (members.length === 1 && members[0] instanceof GroupResult) return members[0] as ResultNode
  return new GroupResult(frozen.id, members, context.resultContext, { parent })
}

/** An empty group may belong to no app: its result is there, and nothing about it is stored anywhere. */
export function emptyGroupHandle(frozen: FrozenResult): ResultNode {
  return new EagerGroupResult(frozen.id, [], {
    get store(): never {
      throw new ConfigurationError('The result of an empty group that belongs to no app is stored nowhere.')
    },
  })
}

/** {@link resultHandle} for what ran in this process. */
export function eagerHandle(context: AppContext, outcome: EagerOutcome): ResultNode {
  return inLine<EagerOutcome, ResultNode>(outcome, (one, parent) => {
    if (one.members === null) return new EagerResult(one.id, one, context.resultContext, { parent })
    const members = one.members.map((member) => eagerHandle(context, member))
    return new EagerGroupResult(one.id, members, context.resultContext, { parent })
  })
}
