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
  /** URL of the module, for pools that run it elsewhere; undefined where no module was named. */
  readonly module: string | undefined
}

/** Throws `CommandFailure` that says what was tried, or shows why the module failed to load. */
export async function findApp(
  name: string,
  workdir: string,
  onModule?: (url: string) => void,
): Promise<FoundApp> {
  const { file, attribute } = splitName(name, workdir)
  const url = locateModule(file, workdir, '-A')
  onModule?.(url)
  let module: Record<string, unknown>
  // With nothing left to wait for Node would end here, pointing at ct's own await.
  const stuck = (): never => {
    process.stderr.write(
      `The module ${file} never finishes loading: it, or a module it imports, awaits at its top level what never comes.\n`,
    )
    process.exit(exitCodes.error)
  }
  process.once('beforeExit', stuck)
  try {
    module = (await import(url)) as Record<string, unknown>
  } catch (error) {
    throw new CommandFailure(`The module ${file} could not be loaded: ${describe(error)}`, exitCodes.error, {
      cause: error,
    })
  } finally {
    process.off('beforeExit', stuck)
  }
  return { app: pick(module, attribute, file), module: url }
}

/** `tasks.ts:worker` names an export; a lone drive letter or `node:` is part of the name. */
function splitName(name: string, workdir: string): { file: string; attribute: string | undefined } {
  const colon = name.lastIndexOf(':')
  if (colon <= 1 || existsSync(resolve(workdir, name))) return { file: name, attribute: undefined }
  return { file: name.slice(0, colon), attribute: name.slice(colon + 1) }
}

/** URL of the file or package that an option names; `CommandFailure` says what was tried. */
export function locateModule(
  file: string,
  workdir: string,
  option: '-A' | '--config' | '--include' | '--camera',
): string {
  const base = resolve(workdir, file)
  const dotted = join(workdir, ...file.split('.'))
  const tried: string[] = []
  const roots = isAbsolute(file) || file.startsWith('.') ? [base] : [base, dotted]
  const complete = extensions.some((end) => file.endsWith(end))
  for (const root of new Set(complete ? [base] : roots)) {
    const others = complete
      ? []
      : [...extensions.map((end) => root + end), ...extensions.map((end) => join(root, `index${end}`))]
    for (const candidate of [root, ...others]) {
      tried.push(candidate)
      if (existsSync(candidate) && statSync(candidate).isFile()) return pathToFileURL(candidate).href
    }
  }
  if (!file.startsWith('.') && !isAbsolute(file) && !complete) {
    try {
      return pathToFileURL(createRequire(join(workdir, 'package.json')).resolve(file)).href
    } catch {
      tried.push(`package ${file}`)
    }
  }
  const advice =
    option === '-A' ? '\nGive the file that exports your app, for example: ct worker -A ./tasks.ts' : ''
  throw new CommandFailure(
    `There is no module for ${option} ${file}. Tried:\n${summarize(tried)}${advice}`,
    exitCodes.usage,
  )
}

/** `path.ts .mts .js …` on one line per root, instead of a line per extension. */
function summarize(tried: readonly string[]): string {
  const lines = new Map<string, string[]>()
  for (const path of tried) {
    const end = extensions.find((extension) => path.endsWith(extension))
    const root = end === undefined ? path : path.slice(0, -end.length)
    const ends = lines.get(root) ?? []
    if (!lines.has(root)) lines.set(root, ends)
    if (end !== undefined && !ends.includes(end)) ends.push(end)
  }
  return [...lines]
    .map(([root, ends]) => `  ${root}${ends.length > 1 ? ` (also ${ends.join(' ')})` : (ends[0] ?? '')}`)
    .join('\n')
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
  return (
    typeof value === 'object' &&
    value !== null &&
    'context' in value &&
    'sendTask' in value &&
    'control' in value
  )
}

function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const { code } = error as NodeJS.ErrnoException
  const hint =
    code === 'ERR_UNSUPPORTED_TYPESCRIPT_SYNTAX'
      ? '\nNode runs TypeScript by removing the types; enum, namespace and parameter properties need a build first.'
      : error instanceof ReferenceError && error.message.endsWith('before initialization')
        ? '\nIs that a circular import? Put createApp() into a module of its own, which imports none of the modules with tasks.'
        : ''
  return `${ownFrames(error.stack ?? error.message)}${hint}`
}

/** Without the frames of Node's loader and of ct: they say nothing about the module. */
function ownFrames(stack: string): string {
  const lines = stack.split('\n')
  const ours = lines.findIndex((line) => /^\s+at /.test(line) && line.includes(import.meta.url))
  return lines
    .slice(0, ours < 0 ? undefined : ours)
    .filter((line) => !/^\s+at .*node:internal\//.test(line))
    .join('\n')
    .trimEnd()
}
