/** Which app a slot elsewhere works for, and where the worker says it is. */
import type { App } from '@ct/client'
import { ConfigurationError } from '@ct/contracts'
import type { SlotConfig } from './slot-config.ts'

/** Longest wait for a module in {@link locateApp}. */
const loadedWithinMs = 100

/**
 * In the worker: the export that is this app, looked for among modules that are loaded already. One that is not is left out: it may be the very
 * module that waits for this worker to start.
 */
export async function locateApp(app: App, modules: readonly string[]): Promise<SlotConfig['app']> {
  for (const module of modules) {
    for (const [name, value] of Object.entries(await loadedModule(module)))
      if (value === app) return { module, name }
  }
  return undefined
}

async function loadedModule(module: string): Promise<Readonly<Record<string, unknown>>> {
  const { promise, resolve } = Promise.withResolvers<Readonly<Record<string, unknown>>>()
  const timer = setTimeout(() => resolve({}), loadedWithinMs)
  // One that fails to load says so where it is needed: in the slot.
  import(module).then(resolve, () => resolve({}))
  return await promise.finally(() => clearTimeout(timer))
}

/** In the slot: loads the modules, which registers their tasks. */
export async function findSlotApp(modules: readonly string[], where: SlotConfig['app']): Promise<App> {
  const found = new Set<App>()
  let named: unknown
  for (const module of modules) {
    const exported = (await import(module)) as Readonly<Record<string, unknown>>
    if (module === where?.module) named = exported[where.name]
    for (const value of Object.values(exported)) if (isApp(value)) found.add(value)
  }
  if (isApp(named)) return named
  const [only] = found
  if (only !== undefined && found.size === 1) return only
  throw new ConfigurationError(
    found.size === 0
      ? `None of the modules exports the app, so that a thread or child process cannot find it: ${modules.join(', ')}. Export what createApp() returned: export const app = createApp({ … })`
      : `The modules export ${found.size} apps, and none of them is known to be the worker's. Name the module that exports it first: ${modules.join(', ')}.`,
  )
}

/** Apps of another copy of the package are apps too. */
function isApp(value: unknown): value is App {
  return (
    typeof value === 'object' &&
    value !== null &&
    'context' in value &&
    'sendTask' in value &&
    'control' in value
  )
}
