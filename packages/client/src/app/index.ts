/** Room 1, first half: the app, its settings, clock and logger. */
export { App, createApp } from './app.ts'
export type { AppOptions } from './app-options.ts'
export type { SendTaskOptions } from './app.ts'
export type { PackageList } from './discovered-modules.ts'
export { bugReport } from './bug-report.ts'
export type { AppContext } from './context.ts'
export { createConsoleLogger } from './logger.ts'
export type { LogFields, Logger } from './logger.ts'
export { nodeName, nodePath } from './node-name.ts'
export { LogicalClock } from './logical-clock.ts'
export { StepSet } from './steps.ts'
export type {
  Step,
  StepClass,
  StepOptions,
  StepParents,
  UserOption,
  UserOptions,
  WorkerStepParents,
} from './steps.ts'
export { settingsTable } from './settings/index.ts'
export type {
  Options,
  Setting,
  SettingKind,
  SettingName,
  Settings,
  SettingsInput,
  TaskAnnotations,
} from './settings/index.ts'
export { settingsAsText, settingsForDisplay } from './settings/setting-display.ts'
export {
  settingsFromCommandLine,
  settingsFromEnvironment,
  settingsFromObject,
} from './settings/setting-sources.ts'
export type { ConfigSourceOptions, Environment } from './settings/setting-sources.ts'
