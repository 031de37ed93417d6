import { ConfigurationError, isRateLimit, rateLimitWanted } from '@ct/contracts'
import { retryPolicy } from '../../producer/index.ts'
import { settingsTable } from './index.ts'
import type { SettingName } from './index.ts'
import type { SettingKind } from './setting.ts'

const kindTest: Readonly<Record<SettingKind, (value: unknown) => boolean>> = {
  bool: (value) => typeof value === 'boolean',
  int: (value) => Number.isSafeInteger(value),
  float: (value) => typeof value === 'number' && !Number.isNaN(value),
  string: (value) => typeof value === 'string',
  bytes: (value) => value instanceof Uint8Array,
  list: (value) => typeof value === 'object' && value !== null && Symbol.iterator in value,
  dict: (value) => typeof value === 'object' && value !== null && !Array.isArray(value),
  function: (value) => typeof value === 'function',
  any: () => true,
}

const kindText: Readonly<Record<SettingKind, string>> = {
  bool: 'true or false',
  int: 'a whole number',
  float: 'a number',
  string: 'text',
  bytes: 'bytes',
  list: 'a list',
  dict: 'a mapping',
  function: 'a function',
  any: 'anything',
}

/** The value as it is kept, or `ConfigurationError` (`CT_CONFIGURATION`) saying what the setting takes. */
export function checkSetting(name: SettingName, value: unknown): unknown {
  const row = settingsTable[name]
  if (value === null) {
    if (row.nullable) return null
    throw wrongValue(name, value)
  }
  if (!row.kinds.some((kind) => kindTest[kind](value))) throw wrongValue(name, value)
  // A choice of words does not rule out a function in their place.
  if (row.oneOf !== undefined && typeof value !== 'function' && !row.oneOf.includes(value))
    throw wrongValue(name, value)
  // What has a least value is an amount or a time, and never endless.
  if (row.min !== undefined && typeof value === 'number' && !(value >= row.min && value < Infinity))
    throw wrongValue(name, value)
  if (name === 'timezone') assertZone(value as string)
  if (name === 'taskDefaultRateLimit' && !isRateLimit(value)) {
    throw new ConfigurationError(`The setting ${name} must be ${rateLimitWanted}.`, {
      details: { setting: name },
    })
  }
  if (name === 'workerConcurrency' && typeof value === 'string' && value !== 'auto') {
    throw new ConfigurationError(`The setting ${name} must be a whole number or "auto".`, {
      details: { setting: name },
    })
  }
  return name === 'taskPublishRetryPolicy' ? retryPolicy(value as object) : value
}

function assertZone(zone: string): void {
  try {
    Intl.DateTimeFormat('en-US', { timeZone: zone })
  } catch (cause) {
    throw new ConfigurationError(
      `The setting timezone names no zone that is known here: "${zone}". Give a name such as "Europe/Berlin", or "UTC".`,
      { cause, details: { setting: 'timezone' } },
    )
  }
}

function wrongValue(name: SettingName, value: unknown): ConfigurationError {
  const row = settingsTable[name]
  const wanted =
    row.oneOf === undefined
      ? row.kinds.map((kind) => kindText[kind]).join(' or ') +
        (row.min === undefined ? '' : ` not below ${row.min}`)
      : row.oneOf.map((allowed) => JSON.stringify(allowed)).join(' or ') +
        (row.kinds.includes('function') ? ' or a function' : '')
  // Only the type is told: the value may be a secret.
  const got = value === null ? 'null' : Array.isArray(value) ? 'a list' : shown(value)
  return new ConfigurationError(
    `The setting ${name} must be ${wanted}${row.nullable ? ', or null' : ''}; it is ${got}.`,
    {
      details: { setting: name },
    },
  )
}

function shown(value: unknown): string {
  if (typeof value === 'number' || typeof value === 'boolean') return String(value)
  return typeof value === 'object' ? 'an object' : `of type ${typeof value}`
}

const booleans: Readonly<Record<string, boolean>> = {
  true: true,
  yes: true,
  on: true,
  1: true,
  false: false,
  no: false,
  off: false,
  0: false,
}

/** A value from text, as environments and command lines give it; the setting's type says what it becomes. */
export function parseSetting(name: SettingName, text: string): unknown {
  const row = settingsTable[name]
  if (row.nullable && /^(none|null)$/i.test(text)) return null
  for (const kind of row.kinds) {
    const value = parseKind(kind, text)
    if (value !== undefined) return checkSetting(name, value)
  }
  throw wrongValue(name, text)
}

function parseKind(kind: SettingKind, text: string): unknown {
  switch (kind) {
    case 'bool': {
      const word = text.toLowerCase()
      return Object.hasOwn(booleans, word) ? booleans[word] : undefined
    }
    case 'int':
    case 'float': {
      const value = /^inf(inity)?$/i.test(text) ? Infinity : text.trim() === '' ? NaN : Number(text)
      return kindTest[kind](value) ? value : undefined
    }
    case 'list':
    case 'dict': {
      const value = parseJson(text)
      if (value !== undefined && kindTest[kind](value)) return value
      return kind === 'list' ? text.split(',').map((item) => item.trim()) : undefined
    }
    case 'string':
      return text
    case 'any':
      return parseJson(text) ?? text
    case 'bytes':
    case 'function':
      return undefined
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
