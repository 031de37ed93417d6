import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/**
 * Tells `npm test` what is running right now. Nx reports a task only when it has ended, so each program of this folder leaves
 * a file in the folder named by CT_PROGRESS while it works. Does nothing when the variable is unset.
 */
export function announce(target: string): Disposable {
  const folder = process.env['CT_PROGRESS']
  const project = process.env['NX_TASK_TARGET_PROJECT']
  if (folder === undefined || project === undefined) return { [Symbol.dispose]: () => undefined }
  mkdirSync(folder, { recursive: true })
  const file = join(folder, `${project}:${target}`.replaceAll('/', '%'))
  writeFileSync(file, '')
  return { [Symbol.dispose]: () => rmSync(file, { force: true }) }
}
