import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'

/** The command line that runs the pnpm which the root package.json names: the one on the path, else npm fetches it. */
export function pnpm(...args: string[]): { command: string; args: string[] } {
  const manifest = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
    packageManager: string
  }
  const version = manifest.packageManager.replace('pnpm@', '')
  const major = version.split('.')[0]
  const found = spawnSync('pnpm', ['--version'], { encoding: 'utf8' })
  if (found.status === 0 && found.stdout.trim().split('.')[0] === major) return { command: 'pnpm', args }
  return { command: 'npx', args: ['--yes', `pnpm@${version}`, ...args] }
}
