import type { GroupResult } from './group-result.ts'
import type { ResultContext } from './result-context.ts'
import { resultFromHandle } from './async-result.ts'
import type { StoreCallOptions } from './result-store.ts'

/** A group that was saved, by its id (`GroupResult.restore`); undefined when there is none or it expired. Error: `CT_DECODE`. */
export async function restoreGroup<T = unknown>(
  groupId: string,
  context: ResultContext,
  options: StoreCallOptions = {},
): Promise<GroupResult<T> | undefined> {
  const handle = await context.store.restoreGroup(groupId, options)
  return handle === undefined ? undefined : (resultFromHandle(handle, context) as GroupResult<T>)
}
