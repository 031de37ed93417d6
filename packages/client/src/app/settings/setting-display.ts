/** Settings as people and remote commands may see them: no secrets (celery/app/utils.py 5.7, `Settings.table`). */
import { pyRepr } from '@ct/contracts'
import { settingsTable } from './index.ts'
import type { Settings, SettingsInput } from './index.ts'
import { snakeCased } from './setting-names.ts'

const secret = /API|TOKEN|KEY|SECRET|PASS|PROFANITIES_LIST|SIGNATURE|DATABASE|BEAT_DBURI/i
/** Those that match `secret` and are none. */
const harmless = /routing_key|_key_prefix|pass_through/
const urlSettings: ReadonlySet<string> = new Set([
  'broker_url',
  'broker_read_url',
  'broker_write_url',
  'result_backend',
  'cache_backend',
])
const mask = '********'

/**
 * Python's names, values without secrets; all of it is JSON. Functions and objects of ct are shown by their text, and so is infinity (`inf`):
 * JSON has none, and Python's `Infinity` can be read by Python alone.
 */
export function settingsForDisplay(settings: Settings | SettingsInput): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(settings)
      .filter(([name]) => Object.hasOwn(settingsTable, name))
      .map(([name, value]) => [snakeCased(name), censor(snakeCased(name), value)]),
  )
}

/** One `name: value` a line, sorted. */
export function settingsAsText(settings: Settings | SettingsInput): string {
  return Object.entries(settingsForDisplay(settings))
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => `${name}: ${JSON.stringify(value)}`)
    .join('\n')
}

function censor(key: string, value: unknown): unknown {
  if (value === null || value === undefined || typeof value === 'boolean') return value ?? null
  if (urlSettings.has(key)) return censorUrls(value)
  if (secret.test(key) && !harmless.test(key)) return mask
  if (typeof value === 'string') return value.includes('://') ? censorUrls(value) : value
  if (typeof value === 'number') return Number.isFinite(value) ? value : pyRepr(value)
  if (Array.isArray(value)) return value.map((item) => censor('', item))
  if (typeof value === 'object' && Object.getPrototypeOf(value) === Object.prototype) {
    return Object.fromEntries(
      Object.entries(value).map(([name, inner]) => [name, censor(snakeCased(name), inner)]),
    )
  }
  return String(value)
}

function censorUrls(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(censorUrls)
  if (typeof value !== 'string') return String(value)
  return value
    .split(';')
    .map((url) =>
      url
        .replace(/(:\/\/[^/?#]*?):([^/]*)@/, '$1:**@')
        .replace(/([?&;](?:sig|password|secret|AccountKey)=)[^&;]*/gi, '$1**'),
    )
    .join(';')
}
