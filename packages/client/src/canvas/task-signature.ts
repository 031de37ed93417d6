import { randomUUID } from 'node:crypto'
import { isRawJson, NotRegistered } from '@ct/contracts'
import type { AsyncResult } from '../result/index.ts'
import { isEagerBuiltin, runBuiltinEagerly } from './eager-builtins.ts'
import type { EagerOutcome } from './eager-outcome.ts'
import { taskResult } from './frozen-result.ts'
import type { FrozenResult } from './frozen-result.ts'
import { publishTask } from './send-task-message.ts'
import { Signature } from './signature.ts'
import type { FreezeIds, SignatureCall, SignatureParts } from './signature.ts'

/** One task. */
export class TaskSignature<A extends readonly unknown[] = readonly unknown[], R = unknown> extends Signature<
  A,
  R,
  AsyncResult<R>
> {
  readonly subtaskType = null

  protected override copy(parts: Omit<SignatureParts, 'app' | 'task'>): this {
    return new TaskSignature<A, R>({ app: this.app, task: this.task, ...parts }) as this
  }

  override freezeWith(ids: FreezeIds): FrozenResult {
    const options = this.options
    options['task_id'] ??= ids.id ?? randomUUID()
    freezeInto(options, ids)
    options['reply_to'] ??= this.app?.context.oid
    return taskResult(options['task_id'] as string, options['ignore_result'] === true)
  }

  override check(call: SignatureCall): unknown {
    const task = this.app?.context.tasks.get(this.task)
    if (task?.check === undefined) return undefined
    const args = this.immutable || call.args.length === 0 ? this.args : [...call.args, ...this.args]
    const kwargs = this.immutable ? this.kwargs : { ...this.kwargs, ...call.kwargs }
    // Source text of a received message is for its receiver to judge.
    return args.some(isRawJson) ? undefined : task.check(args, kwargs)
  }

  override send(call: SignatureCall): Promise<FrozenResult> {
    const sent = this.merged(call)
    return publishTask(this.context, {
      task: sent.task,
      args: sent.args,
      kwargs: sent.kwargs,
      options: sent.options,
      signal: call.signal,
      outbox: call.outbox,
    })
  }

  override runsEagerly(): boolean {
    return this.context.tasks.get(this.task)?.runEagerly !== undefined || isEagerBuiltin(this.context, this)
  }

  override async runEagerly(call: SignatureCall): Promise<EagerOutcome> {
    const sent = this.merged(call)
    const task = this.context.tasks.get(this.task)
    if (task?.runEagerly === undefined) {
      if (isEagerBuiltin(this.context, sent)) return await runBuiltinEagerly(this.context, sent, call)
      throw new NotRegistered(this.task)
    }
    return await task.runEagerly({ ...call, args: sent.args, kwargs: sent.kwargs, options: sent.options })
  }

  override chordSize(): number {
    return 1
  }

  override endsInGroup(): boolean {
    return false
  }
}

/** What freezing puts into the options of a task, or of a chain's or chord's end. */
export function freezeInto(options: Record<string, unknown>, ids: FreezeIds): void {
  // A key that is there, be it null, keeps the task out of the group. But a part of a chord is counted in that chord's group: where the body of a chord
  // that travelled becomes one, its group was a note only.
  const becomesPart = ids.chord != null && options['chord'] == null
  if (ids.rootId != null) options['root_id'] = ids.rootId
  if (ids.parentId != null) options['parent_id'] = ids.parentId
  if (ids.chord != null) options['chord'] = ids.chord
  if (ids.groupIndex != null) options['group_index'] = ids.groupIndex
  if (ids.groupId != null && (becomesPart || !('group_id' in options))) options['group_id'] = ids.groupId
}
