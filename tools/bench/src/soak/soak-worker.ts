/** The worker that is soaked, in a process of its own: `node soak-worker.ts <pool> <slots>`. Answers its parent's messages. */
import { readFileSync } from 'node:fs'
import { app, heapAfterCollection } from './soak-tasks.ts'

/** What a parent asks, and what it is told. */
export type SoakQuestion = 'sample' | 'stop'
export type SoakAnswer =
  | { readonly kind: 'ready' }
  | {
      readonly kind: 'sample'
      readonly heapBytes: number
      /** Of the worker and its child processes together. */
      readonly rssBytes: number
      readonly handles: number
    }
  | { readonly kind: 'stopped'; readonly handlesBefore: number; readonly handlesAfter: number }

const [pool = 'async', slots = '2'] = process.argv.slice(2)
const handles = (): number => process.getActiveResourcesInfo().length
const tell = (answer: SoakAnswer): void => void process.send?.(answer)

/** Resident memory of this process and of those below it, in bytes; of this one alone where there is no /proc. */
function residentBytes(): number {
  const status = (pid: number | 'self'): number => {
    const text = readFileSync(`/proc/${pid}/status`, 'utf8')
    return Number(/^VmRSS:\s+(\d+)/m.exec(text)?.[1] ?? 0) * 1024
  }
  try {
    const children = readFileSync(`/proc/self/task/${process.pid}/children`, 'utf8').trim()
    const pids = children === '' ? [] : children.split(/\s+/).map(Number)
    return [status('self'), ...pids.map(status)].reduce((sum, bytes) => sum + bytes, 0)
  } catch {
    return process.memoryUsage.rss()
  }
}

const worker = app.worker({
  pool,
  ...(pool === 'solo' ? {} : { concurrency: Number(slots) }),
  withoutMingle: true,
  modules: [new URL('./soak-tasks.ts', import.meta.url)],
})
process.on('message', (question: SoakQuestion) => {
  if (question === 'sample') {
    tell({
      kind: 'sample',
      heapBytes: heapAfterCollection(),
      rssBytes: residentBytes(),
      handles: handles(),
    })
  } else void stop()
})

// The channel to the parent, which counts once somebody listens, is there before and after.
const handlesBefore = handles()

async function stop(): Promise<void> {
  await worker.stop()
  await app.close()
  // Sockets that were ended are closed in the next turns.
  for (let turns = 0; handles() > handlesBefore && turns < 200; turns++)
    await new Promise((resolve) => setImmediate(resolve))
  tell({ kind: 'stopped', handlesBefore, handlesAfter: handles() })
  process.disconnect()
}

await worker.start()
tell({ kind: 'ready' })
