import { mkdirSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'

/** ct's own folder below the user's cache folder (`XDG_CACHE_HOME`, else `~/.cache`); made when it is not there. */
export function cacheDirectory(...below: string[]): string {
  const root = process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache')
  const directory = join(root, 'ct', ...below)
  mkdirSync(directory, { recursive: true })
  return directory
}
