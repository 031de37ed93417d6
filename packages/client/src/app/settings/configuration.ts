import { ConfigurationError } from '@ct/contracts'
import { settingsTable } from './index.ts'
import type { SettingName, Settings, SettingsInput } from './index.ts'
import { findSetting, unknownSetting } from './setting-names.ts'
import type { Environment } from './setting-sources.ts'
import { settingsFromOverrides } from './setting-sources.ts'
import { checkSetting } from './setting-values.ts'

/**
 * The settings of one app, in layers (APP-20). Highest first: four environment variables, what the app was made or changed with, the
 * configuration source, added defaults in order of adding, built-in defaults.
 */
export class Configuration {
  readonly defaults: 'ct' | 'celery'
  readonly #overrides: SettingsInput
  readonly #added: (SettingsInput | (() => SettingsInput))[] = []
  #changes: SettingsInput
  #source: SettingsInput = {}
  #given: SettingsInput | undefined
  #resolved: Settings | undefined

  constructor(
    given: object,
    options: { readonly defaults: 'ct' | 'celery'; readonly environment: Environment },
  ) {
    this.defaults = options.defaults
    this.#changes = checkSettings(given, 'createApp()')
    this.#overrides = settingsFromOverrides(options.environment)
  }

  /** Frozen. */
  get settings(): Settings {
    return (this.#resolved ??= this.#resolve())
  }

  update(changes: SettingsInput): void {
    this.#changes = { ...this.#changes, ...checkSettings(changes, 'configure()') }
    this.#forget()
  }

  /** Replaces the configuration source; what the app was made or changed with stays above it. */
  setSource(source: SettingsInput): void {
    this.#source = source
    this.#forget()
  }

  addDefaults(layer: SettingsInput | (() => SettingsInput)): void {
    this.#added.push(layer)
    this.#forget()
  }

  /** What differs from the built-in defaults because somebody said so; for `conf` and `report`. */
  changes(): SettingsInput {
    return { ...this.#source, ...this.#changes, ...this.#overrides }
  }

  /** Names of deprecated settings in use, with what replaces them. */
  deprecations(): readonly { readonly name: SettingName; readonly use: string }[] {
    return (Object.keys(this.changes()) as SettingName[]).flatMap((name) => {
      const use = settingsTable[name].deprecated
      return use === undefined ? [] : [{ name, use }]
    })
  }

  #forget(): void {
    this.#given = undefined
    this.#resolved = undefined
  }

  /** Everything that somebody said, added defaults included. */
  given(): SettingsInput {
    return (this.#given ??= this.#merge())
  }

  #merge(): SettingsInput {
    const added = this.#added.map((layer) =>
      checkSettings(typeof layer === 'function' ? layer() : layer, 'addDefaults()'),
    )
    // The layer that was added first wins.
    return Object.assign({}, ...added.toReversed(), this.changes()) as SettingsInput
  }

  #resolve(): Settings {
    const builtIn = this.defaults === 'ct' ? ctDefaults : celeryDefaults
    return Object.freeze({ ...builtIn, ...this.given() }) as unknown as Settings
  }
}

const rows = Object.entries(settingsTable)
const celeryDefaults = Object.fromEntries(
  // Python’s pool of processes is no part of ct’s defaults whatever the switch says: it needs an adapter.
  rows.map(([name, row]) => [name, name === 'workerPool' ? row.ct : row.default]),
)
const ctDefaults = Object.fromEntries(rows.map(([name, row]) => [name, row.ct ?? row.default]))

/** Checks names and values; `undefined` counts as not given. Names must be camelCase here. */
function checkSettings(given: object, where: string): SettingsInput {
  const result: Record<string, unknown> = {}
  for (const [key, value] of Object.entries(given)) {
    if (value === undefined) continue
    if (!Object.hasOwn(settingsTable, key)) {
      const known = findSetting(key)
      if (known === undefined) throw unknownSetting(key, where)
      throw new ConfigurationError(
        `${where} has "${key}"; write it as "${known.name}", or give a file of such names to configFromObject().`,
        { details: { setting: key } },
      )
    }
    result[key] = checkSetting(key as SettingName, value)
  }
  return result
}
