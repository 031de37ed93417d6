/** Every setting of Celery 5.7 under its camelCase name, and ct's own. */
import { beatSettings } from './beat-settings.ts'
import { brokerSettings } from './broker-settings.ts'
import { ctSettings } from './ct-settings.ts'
import { eventSettings } from './event-settings.ts'
import { generalSettings } from './general-settings.ts'
import { resultSettings } from './result-settings.ts'
import { securitySettings } from './security-settings.ts'
import { storeSettings } from './store-settings.ts'
import { taskSettings } from './task-settings.ts'
import { workerSettings } from './worker-settings.ts'
import type { Setting } from './setting.ts'

type Table = typeof beatSettings &
  typeof brokerSettings &
  typeof ctSettings &
  typeof eventSettings &
  typeof generalSettings &
  typeof resultSettings &
  typeof securitySettings &
  typeof storeSettings &
  typeof taskSettings &
  typeof workerSettings

type ValueOf<S> = S extends Setting<infer T> ? T : never

/** Resolved settings: every name has a value. Seconds as in Celery; names that end in `Ms` are milliseconds. */
export type Settings = { readonly [K in keyof Table]: ValueOf<Table[K]> }

export type SettingName = keyof Settings

/** What a user may give: any subset. `undefined` counts as not given. */
export type SettingsInput = { readonly [K in keyof Table]?: ValueOf<Table[K]> | undefined }

/** Name → row of every setting. */
export const settingsTable: Readonly<Record<SettingName, Setting<unknown>>> = {
  ...generalSettings,
  ...brokerSettings,
  ...taskSettings,
  ...resultSettings,
  ...workerSettings,
  ...beatSettings,
  ...eventSettings,
  ...securitySettings,
  ...storeSettings,
  ...ctSettings,
}

export type { Options, Setting, SettingKind, TaskAnnotations } from './setting.ts'
