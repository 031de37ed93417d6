/** The entry of threads and children in the pool suite: runs the suite's jobs. The config says how it fails to open. */
import type { Slot, SlotStart } from '@ct/contracts'
import { runConformanceJob } from './jobs.ts'

export async function openSlot({ modules, config, index, post, retire }: SlotStart): Promise<Slot> {
  for (const module of modules) await import(module)
  if (config === 'refuse') throw new Error('this slot refuses to open')
  if (config === 'hang') await new Promise(() => {})
  if (config === 'exit') process.exit(7)
  post({ kind: 'opened', payload: index })
  return {
    run: (job, port) => runConformanceJob(job, port, { post, retire }),
    close() {
      post({ kind: 'closed', payload: index })
      return Promise.resolve()
    },
  }
}
