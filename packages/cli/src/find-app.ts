/**
 * Finds the app that `-A` names (CLI-3; celery/app/utils.py 5.7, `find_app`): a path or a package, with `:attribute` if it is not
 * exported as `app`, `celery` or default and not the module’s only app.
 */
import { existsSync, statSync } from 'node:fs'
import { createRequire } from 'node:module'
import { isAbsolute, join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { App } from '@ct/client'
import { CommandFailure, exitCodes } from './exit-codes.ts'

const extensions = ['.ts', '.mts', '.js', '.mjs', '.cts', '.cjs']

export interface FoundApp {
  readonly app: App
  /** URL of the module, for pools that run it elsewhere. */
  readonly module: string
}

/** Throws `CommandFailure` that says what was tried, or shows why the module failed to load. */
export async function findApp(name: string, workdir: string): Promise<FoundApp> {
  const { file, attribute } = splitName(name, workdir)
  const url = locate(file, workdir)
  let module: Record<string, unknown>
  try {
    module = (await import(url)) as Record<string, unknown>
  } catch (error) {
    throw new CommandFailure(`The module ${file} could not be loaded: ${describe(error)}`, exitCodes.error, { cause: error })
  }
  return { app: pick(module, attribute, file), module: url }
}

/** `tasks.ts:worker` names an export; a lone drive letter or `node:` is part of the name. */
function splitName(name: string, workdir: string): { file: string; attribute: string | undefined } {
  const colon = name.lastIndexOf(':')
  if (colon <= 1 || existsSync(resolve(workdir, name))) return { file: name, attribute: undefined }
  return { file: name.slice(0, colon), attribute: name.slice(colon + 1) }
}

function locate(file: string, workdir: string): string {
  const base = resolve(workdir, file)
  const dotted = join(workdir, ...file.split('.'))
  const tried: string[] = []
  const roots = isAbsolute(file) || file.startsWith('.') ? [base] : [base, dotted]
  for (const root of new Set(roots)) {
    for (const candidate of [root, ...extensions.map((end) => root + end), ...extensions.map((end) => join(root, `index${end}`))]) {
      tried.push(candidate)
      if (existsSync(candidate) && statSync(candidate).isFile()) return pathToFileURL(candidate).href
    }
  }
  if (!file.startsWith('.') && !isAbsolute(file)) {
    try {
      return pathToFileURL(createRequire(join(workdir, 'package.json')).resolve(file)).href
    } catch {
      tried.push(`package ${file}`)
    }
  }
  const shown = tried.filter((path) => !path.includes('index.') || path.endsWith('index.ts')).map((path) => `\n  ${path}`)
  throw new CommandFailure(
    `No module for -A ${file}. Tried:${shown.join('')}\nGive the file that exports your app, for example: ct worker -A ./tasks.ts`,
    exitCodes.usage,
  )
}

function pick(module: Record<string, unknown>, attribute: string | undefined, file: string): App {
  if (attribute !== undefined) {
    const value = module[attribute]
    if (isApp(value)) return value
    throw new CommandFailure(
      `${file} has no app called "${attribute}". It exports: ${Object.keys(module).join(', ') || 'nothing'}.`,
      exitCodes.usage,
    )
  }
  for (const name of ['app', 'celery', 'default']) {
    const value = module[name]
    if (isApp(value)) return value
  }
  const apps = new Set(Object.values(module).filter(isApp))
  const [only] = apps
  if (apps.size === 1 && only !== undefined) return only
  throw new CommandFailure(
    apps.size === 0
      ? `${file} exports no app. Export what createApp() returned: export const app = createApp({ … })`
      : `${file} exports ${apps.size} apps. Say which one: -A ${file}:name`,
    exitCodes.usage,
  )
}

/** Apps of another copy of the package are apps too, hence no `instanceof`. */
function isApp(value: unknown): value is App {
  return typeof value === 'object' && value !== null && 'context' in value && 'sendTask' in value && 'control' in value
}

function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const { code } = error as NodeJS.ErrnoException
  const hint =
    code === 'ERR_UNSUPPORTED_TYPESCRIPT_SYNTAX'
      ? '\nNode runs TypeScript by removing the types; enum, namespace and parameter properties need a build first.'
      : ''
  return `${error.stack ?? error.message}${hint}`
}
