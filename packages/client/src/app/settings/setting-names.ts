import { ConfigurationError } from '@ct/contracts'
import { didYouMean } from '../../connection/index.ts'
import { settingsTable } from './index.ts'
import type { SettingName } from './index.ts'

/** How a key was written: `taskAcksLate`, `task_acks_late`, or `CELERY_ACKS_LATE` as before Celery 4. */
export type NameStyle = 'camel' | 'snake' | 'old'

export function snakeCased(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => '_' + letter.toLowerCase())
}

const names = Object.keys(settingsTable) as SettingName[]
const bySnake = new Map(names.map((name) => [snakeCased(name), name]))
const byOld = new Map(names.map((name) => [oldName(name), name]))

/** The upper-case name before Celery 4. */
export function oldName(name: SettingName): string {
  return settingsTable[name].old ?? snakeCased(name).toUpperCase()
}

export function findSetting(
  key: string,
): { readonly name: SettingName; readonly style: NameStyle } | undefined {
  if (Object.hasOwn(settingsTable, key)) return { name: key as SettingName, style: 'camel' }
  const snake = bySnake.get(key)
  if (snake !== undefined) return { name: snake, style: 'snake' }
  const old = byOld.get(key)
  return old === undefined ? undefined : { name: old, style: 'old' }
}

/** `task_acks_late` → its name; for keys behind a namespace. */
export function findSnake(key: string): SettingName | undefined {
  return bySnake.get(key)
}

export function unknownSetting(key: string, where: string): ConfigurationError {
  const candidates = /^[A-Z0-9_]+$/.test(key) ? [...byOld.keys(), ...names] : names
  return new ConfigurationError(`${where} has an unknown setting "${key}".${didYouMean(key, candidates)}`, {
    details: { setting: key },
  })
}
