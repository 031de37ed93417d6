import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { ConfigurationError } from '@ct/contracts'

/** Exports of a module, or the object in a `.json` file. Error: `CT_CONFIGURATION` saying what was tried. */
async function readConfigurationFile(path: string | URL): Promise<object> {
  const url =
    path instanceof URL ? path : path.startsWith('file:') ? new URL(path) : pathToFileURL(resolve(path))
  try {
    if (url.pathname.endsWith('.json')) return asObject(JSON.parse(await readFile(url, 'utf8')))
    return asObject(await import(url.href))
  } catch (cause) {
    if (cause instanceof ConfigurationError) throw cause
    throw new ConfigurationError(
      `The configuration file ${fileURLToPath(url)} could not be read: ${cause instanceof Error ? cause.message : String(cause)}`,
      { cause },
    )
  }
}

/** {@link readConfigurationFile}; with `silent` undefined where it cannot be read. */
export async function configurationFrom(path: string | URL, silent: boolean): Promise<object | undefined> {
  return await readConfigurationFile(path).catch((error: unknown) => {
    if (silent) return undefined
    throw error
  })
}

function asObject(value: unknown): object {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value
  throw new ConfigurationError('A configuration file must hold an object of settings.')
}
