/**
 * Works off what a canvas has sent, as a worker would as far as canvases are concerned (canvas semantics: "Continuing after success"): runs
 * the function, sends callbacks and the next step, counts chord parts. Each message is noted on the way.
 */
import { decodeJson, decodeUtf8, encodeJsonBytes } from '@ct/contracts'
import { LocalTaskContext, localRequest } from '../src/task/index.ts'
import { runInTask, signatureFromDict } from '../src/canvas/index.ts'
import type { RegisteredTask } from '../src/task/index.ts'
import type { CapturedApp, SentMessage, WireSignature } from './captured-app.ts'

export interface CanvasRun {
  /** Every message in causal order. */
  readonly messages: readonly SentMessage[]
  /** Return values by task id. */
  readonly results: ReadonlyMap<string, unknown>
}

export async function runCanvas(captured: CapturedApp, ...queues: readonly string[]): Promise<CanvasRun> {
  const { app } = captured
  const messages: SentMessage[] = []
  const results = new Map<string, unknown>()

  const call = async (
    source: WireSignature,
    value: readonly unknown[],
    parent: SentMessage,
    chain?: unknown,
  ): Promise<void> => {
    await signatureFromDict(app, source).send({
      args: value,
      kwargs: {},
      options: {
        root_id: parent.headers['root_id'] ?? parent.headers['id'],
        parent_id: parent.headers['id'],
        ...(chain === undefined ? {} : { chain }),
      },
    })
  }

  const work = async (message: SentMessage): Promise<void> => {
    const id = message.headers['id'] as string
    const task = app.tasks.get(message.headers['task'] as string) as RegisteredTask
    const request = localRequest(task.name, { id, calledDirectly: false, args: message.args })
    const context = new LocalTaskContext(task, request, app)
    const value: unknown = await runInTask({ context, children: [] }, () =>
      task.run(context, message.args, message.kwargs),
    )
    results.set(id, value)
    const { callbacks, chain, chord } = message.embed
    for (const callback of callbacks ?? []) await call(callback, [value], message)
    const next = chain?.at(-1)
    if (next !== undefined) await call(next, [value], message, chain!.slice(0, -1))
    if (chord === null) return
    const groupId = message.headers['group'] as string
    const { chord: counter } = await app.context.results.connection()
    const progress = await counter!.record({
      groupId,
      taskId: id,
      groupIndex: message.headers['group_index'] as number,
      part: encodeJsonBytes([1, id, 'SUCCESS', value]),
      expiresInMs: undefined,
      claimMs: 5000,
    })
    if (progress.state !== 'complete') return
    const parts = (await counter!.parts(groupId)).map(
      (part) => decodeJson(decodeUtf8(part)) as readonly unknown[],
    )
    await call(chord, [parts.map(([, , , part]) => part)], message)
    await counter!.finish({ groupId, token: progress.token, doneMs: 5000 })
  }

  for (;;) {
    const batch = await captured.sent(...queues)
    if (batch.length === 0) return { messages, results }
    for (const message of batch) {
      messages.push(message)
      await work(message)
    }
  }
}
