/** Finds and imports the module with a package's tasks (celery/loaders/base.py `find_related_module` 5.7). */
import { existsSync, statSync } from 'node:fs'
import { createRequire } from 'node:module'
import { isAbsolute, join, resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { ConfigurationError } from '@ct/contracts'

const extensions = ['.ts', '.mts', '.js', '.mjs', '.cts', '.cjs']

/** `relatedName` null: the package itself. Undefined: it has no such module. Rejects with `CT_CONFIGURATION` when there is no such package. */
export async function importRelated(
  packageName: string | URL,
  relatedName: string | null,
): Promise<string | undefined> {
  const url = locate(packageName, relatedName)
  if (url !== undefined) await import(url)
  return url
}

function locate(packageName: string | URL, relatedName: string | null): string | undefined {
  const named = typeof packageName === 'string' && !packageName.startsWith('file:')
  const path = named ? packageName : fileURLToPath(packageName)
  const folder = resolve(path)
  const isFolder = existsSync(folder) && statSync(folder).isDirectory()
  if (isFolder) return inFolder(relatedName === null ? join(folder, 'index') : join(folder, relatedName))
  if (!named || path.startsWith('.') || isAbsolute(path)) {
    throw new ConfigurationError(`There is no folder ${folder} to look for tasks in.`)
  }
  const require = createRequire(join(process.cwd(), 'package.json'))
  try {
    return pathToFileURL(require.resolve(relatedName === null ? path : `${path}/${relatedName}`)).href
  } catch (cause) {
    if (relatedName !== null && isInstalled(require, path)) return undefined
    throw new ConfigurationError(
      `There is neither a folder nor an installed package "${path}" to look for tasks in.`,
      {
        cause,
      },
    )
  }
}

function inFolder(base: string): string | undefined {
  const candidates = [
    ...extensions.map((end) => base + end),
    ...extensions.map((end) => join(base, `index${end}`)),
  ]
  const found = candidates.find((candidate) => existsSync(candidate))
  return found === undefined ? undefined : pathToFileURL(found).href
}

/** Its main module need not be there, or be for `require`. */
function isInstalled(require: NodeJS.Require, name: string): boolean {
  return (require.resolve.paths(name) ?? []).some((folder) => existsSync(join(folder, name)))
}
