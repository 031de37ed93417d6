/**
 * Ends this process when its parent is gone, also while a task keeps the event loop: a thread looks at the parent's id. (Node has no
 * PR_SET_PDEATHSIG, and the end of a pipe is only seen by an event loop that turns.)
 */
import { Worker } from 'node:worker_threads'

/** Sleeping costs the task's processor less than a timer, whose event loop wakes with all that belongs to it. */
const watch = (parent: number): string => `
const nobody = new Int32Array(new SharedArrayBuffer(4))
do Atomics.wait(nobody, 0, 0, 500)
while (process.ppid === ${parent})
process.kill(process.pid, 'SIGKILL')
`

export function endWithParent(): void {
  new Worker(watch(process.ppid), {
    eval: true,
    name: 'ct orphan watch',
    execArgv: [],
    env: {},
    resourceLimits: { maxYoungGenerationSizeMb: 1, maxOldGenerationSizeMb: 8, stackSizeMb: 1 },
  }).unref()
}
