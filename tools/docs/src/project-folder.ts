import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { guardedDirectory } from '@ct-tools/services'
import type { Page } from './page.ts'
import { workspace } from './page.ts'

/** The packages a user of the page would have installed. */
const dependencies = Object.fromEntries(
  [
    'core',
    'broker-redis',
    'broker-amqp',
    'broker-memory',
    'client',
    'contracts',
    'metrics',
    'otel',
    'pool-processes',
    'pool-threads',
    'serializer-auth',
    'testing',
    'worker',
  ].map((name) => [`@ct/${name}`, 'workspace:*']),
)

/**
 * An empty project below the system's temporary folder: a package.json like a user's, and this tool's node_modules. Not below our own
 * node_modules, where Node strips no types.
 */
export function projectFolder(name: string): string {
  const folder = guardedDirectory(`docs-${name}`)
  writeFileSync(
    join(folder, 'package.json'),
    JSON.stringify({ name: 'proj', private: true, type: 'module', dependencies }),
  )
  symlinkSync(join(workspace, 'tools/docs/node_modules'), join(folder, 'node_modules'))
  return folder
}

export function writeInto(folder: string, name: string, text: string): void {
  const file = join(folder, name)
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, text)
}

/** `docs/adapters/redis.md` → `docs-adapters-redis`. */
export function slugOf(page: Page): string {
  return page.path.replace(/\.md$/, '').replaceAll('/', '-').toLowerCase()
}
