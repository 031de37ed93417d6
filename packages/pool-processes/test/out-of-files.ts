/** A pool whose process has no file descriptors left when a slot is to be replaced, and has some again later. Prints what it hears. */
import { closeSync, openSync } from 'node:fs'
import { processesPool } from '../src/processes-pool.ts'

const held: number[] = []
const again = Promise.withResolvers<void>()
let starts = 0
const pool = processesPool()
await pool.start({
  size: 1,
  entry: new URL(import.meta.resolve('@ct/testing/conformance/slot-entry')),
  modules: ['data:text/javascript,'],
  config: null,
  execute: () => Promise.reject(new Error('not here')),
  maxTasksPerChild: undefined,
  maxMemoryPerChildKb: undefined,
  onSlotError: ({ message }) => {
    console.log(message)
    for (const fd of held.splice(0)) closeSync(fd)
  },
  onSlotChange: ({ kind }) => {
    console.log(kind)
    if (kind === 'started' && ++starts === 2) again.resolve()
    if (kind !== 'exited' || starts === 2) return
    try {
      for (;;) held.push(openSync('/dev/null', 'r'))
    } catch {
      // Now there are none.
    }
  },
})
const { processes } = pool.info() as { readonly processes: readonly number[] }
process.kill(processes[0]!, 'SIGKILL')
await again.promise
await pool.close()
