/**
 * Settings from where people keep them: an object or module, the environment, command-line words
 * (celery/app/utils.py and celery/loaders/base.py 5.7).
 */
import { ConfigurationError } from '@ct/contracts'
import type { SettingName, SettingsInput } from './index.ts'
import { findSetting, findSnake, oldName, snakeCased, unknownSetting } from './setting-names.ts'
import type { NameStyle } from './setting-names.ts'
import { checkSetting, parseSetting } from './setting-values.ts'

export interface ConfigSourceOptions {
  /**
   * Only keys that start with `<namespace>_` count, without it and in lower case: `CELERY_TASK_ACKS_LATE` with
   * `namespace: 'CELERY'`. Names before Celery 4 are not understood then.
   */
  readonly namespace?: string | undefined
}

/**
 * Names may be camelCase, lower_case, or UPPER_CASE as before Celery 4; new and old styles must not be mixed, except
 * for the same setting. Errors: `CT_CONFIGURATION`.
 */
export function settingsFromObject(source: object, options: ConfigSourceOptions = {}): SettingsInput {
  const given = objectOf(source)
  return options.namespace === undefined ? fromStyledNames(given) : fromNamespace(given, options.namespace)
}

/** A module with a default export of settings counts as that object. */
function objectOf(source: object): Readonly<Record<string, unknown>> {
  const record = source as Readonly<Record<string, unknown>>
  const inner = record['default']
  return Object.prototype.toString.call(source) === '[object Module]' &&
    typeof inner === 'object' &&
    inner !== null
    ? (inner as Readonly<Record<string, unknown>>)
    : record
}

function fromNamespace(given: Readonly<Record<string, unknown>>, namespace: string): SettingsInput {
  const prefix = namespace.endsWith('_') ? namespace : `${namespace}_`
  const result: Record<string, unknown> = {}
  for (const [key, value] of Object.entries(given)) {
    if (!key.startsWith(prefix)) continue
    const name = findSnake(key.slice(prefix.length).toLowerCase())
    if (name === undefined) throw unknownSetting(key, 'The configuration')
    result[name] = checkSetting(name, value)
  }
  return result
}

function fromStyledNames(given: Readonly<Record<string, unknown>>): SettingsInput {
  const found = Object.entries(given)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => {
      const setting = findSetting(key)
      if (setting === undefined) throw unknownSetting(key, 'The configuration')
      return { key, value, ...setting }
    })
  refuseMixture(found)
  const result: Record<string, unknown> = {}
  // The new name of a setting wins over its old one.
  for (const { name, value } of found.toSorted(
    (a, b) => Number(b.style === 'old') - Number(a.style === 'old'),
  )) {
    result[name] = checkSetting(name, value)
  }
  return result
}

function refuseMixture(
  found: readonly { readonly key: string; readonly name: SettingName; readonly style: NameStyle }[],
): void {
  const old = found.filter(({ style }) => style === 'old')
  const modern = found.filter(({ style }) => style !== 'old')
  const both = new Set(
    old.map(({ name }) => name).filter((name) => modern.some((other) => other.name === name)),
  )
  const onlyOld = old.filter(({ name }) => !both.has(name))
  const onlyNew = modern.filter(({ name }) => !both.has(name))
  if (onlyOld.length === 0 || onlyNew.length === 0) return
  const toNew = onlyNew.length >= onlyOld.length
  const renames = toNew
    ? onlyOld.map(({ key, name }) => `${key} → ${onlyNew[0]?.style === 'snake' ? snakeCased(name) : name}`)
    : onlyNew.map(({ key, name }) => `${key} → ${oldName(name)}`)
  throw new ConfigurationError(
    `The configuration mixes setting names from before Celery 4 with new ones. Rename: ${renames.join(', ')}.`,
  )
}

/** Environment variables that win over every other source (APP-27). */
const overrides: Readonly<Record<string, SettingName>> = {
  CELERY_BROKER_URL: 'brokerUrl',
  CELERY_BROKER_READ_URL: 'brokerReadUrl',
  CELERY_BROKER_WRITE_URL: 'brokerWriteUrl',
  CELERY_RESULT_BACKEND: 'resultBackend',
}

export type Environment = Readonly<Record<string, string | undefined>>

export function settingsFromOverrides(environment: Environment): SettingsInput {
  const result: Record<string, unknown> = {}
  for (const [variable, name] of Object.entries(overrides)) {
    const text = environment[variable]
    if (text !== undefined && text !== '') result[name] = text
  }
  return result
}

/**
 * Every variable `<prefix>…` that is the name of a setting, new (`CELERY_TASK_ACKS_LATE`) or old (`CELERY_ACKS_LATE`). Others are left
 * alone: environments hold what is not ours, such as Kubernetes' `CELERY_SERVICE_HOST`.
 */
export function settingsFromEnvironment(environment: Environment, prefix = 'CELERY_'): SettingsInput {
  const old: Record<string, unknown> = {}
  const modern: Record<string, unknown> = {}
  for (const [variable, text] of Object.entries(environment)) {
    if (text === undefined || text === '') continue
    const name = variable.startsWith(prefix)
      ? findSnake(variable.slice(prefix.length).toLowerCase())
      : undefined
    if (name !== undefined) {
      modern[name] = parseSetting(name, text)
      continue
    }
    const before = /^(CELERY|CELERYD|CELERYBEAT)_/.test(variable) ? findSetting(variable) : undefined
    if (before?.style === 'old') old[before.name] = parseSetting(before.name, text)
  }
  return { ...old, ...modern }
}

/**
 * Words `key=value` behind `--`: `worker.prefetch_multiplier=1`, `.prefetch_multiplier=1` (the command's namespace),
 * `task_acks_late=on`; a cast may be written before the value: `(int)5`. Error: `CT_CONFIGURATION`.
 */
export function settingsFromCommandLine(words: readonly string[], namespace = 'celery'): SettingsInput {
  const result: Record<string, unknown> = {}
  for (const word of words) {
    const at = word.indexOf('=')
    const key = (at < 0 ? word : word.slice(0, at)).trim()
    if (at < 0) throw new ConfigurationError(`"${word}" is not of the form key=value.`)
    const full = key.startsWith('.')
      ? `${namespace}_${key.slice(1)}`
      : key.replace(/^celery\./, '').replace('.', '_')
    const name = findSetting(full)?.name ?? findSnake(full.toLowerCase())
    if (name === undefined) throw unknownSetting(full, 'The command line')
    result[name] = parseSetting(
      name,
      word.slice(at + 1).replace(/^\((int|float|bool|string|tuple|list|dict)\)/, ''),
    )
  }
  return result
}
