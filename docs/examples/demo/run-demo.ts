/** Runs the demo as `npm run demo` does, for its tests. */
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { guardProcess } from '@ct-tools/services'

const main = fileURLToPath(new URL('main.ts', import.meta.url))

export function runDemo(
  ...args: readonly string[]
): Promise<{ code: number | null; out: string; err: string }> {
  const env = Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^(CELERY_|NODE_OPTIONS$|FORCE_COLOR$)/.test(name)),
  )
  const child = guardProcess(
    spawn(process.execPath, ['--conditions=@ct/source', main, ...args], {
      env,
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
    }),
  )
  const written = { out: '', err: '' }
  child.stdout.setEncoding('utf8').on('data', (text: string) => (written.out += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (written.err += text))
  return new Promise((resolve) => {
    child.on('close', (code) => {
      // A machine that stands still for a second is told too; that is no fault of the demo.
      const err = written.err.replaceAll(/^ct: The event loop stood still for [^]*?\n\}\n/gm, '')
      resolve({ code, out: written.out, err })
    })
  })
}
