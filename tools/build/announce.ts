import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** `@ct/client:unit` as a file name. */
export function progressFile(folder: string, task: string, state: 'running' | 'failed'): string {
  return join(folder, `${task.replaceAll('/', '%')}.${state}`)
}

/**
 * Tells `npm test` what is running right now and what has just failed. Nx reports a task only when it has ended, and not how; so
 * each program of this folder leaves a file in the folder named by `CT_PROGRESS` while it works. Does nothing when unset.
 *
 * Programs set `process.exitCode` before they end: one that has not has thrown.
 */
export function announce(target: string): Disposable {
  const folder = process.env['CT_PROGRESS']
  const project = process.env['NX_TASK_TARGET_PROJECT']
  if (folder === undefined || project === undefined) return { [Symbol.dispose]: () => undefined }
  mkdirSync(folder, { recursive: true })
  const task = `${project}:${target}`
  const running = progressFile(folder, task, 'running')
  writeFileSync(running, '')
  return {
    [Symbol.dispose]: () => {
      if (process.exitCode === 0) rmSync(running, { force: true })
      else renameSync(running, progressFile(folder, task, 'failed'))
    },
  }
}
