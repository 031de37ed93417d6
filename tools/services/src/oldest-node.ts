import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'

/** Path of the oldest Node that ct supports. */
export function oldestNode(): string {
  const { resolve } = createRequire(import.meta.url)
  const manifest = createRequire(resolve('@ct-tools/oldest-node/package.json')).resolve(
    'node-oldest/package.json',
  )
  return join(dirname(manifest), 'bin/node')
}
