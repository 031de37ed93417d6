/** Starts a worker's pool: what its slots are told, and what they say outside of tasks. */
import type { App, SettingsInput } from '@ct/client'
import {
  ConfigurationError,
  isPlainObject,
  type Pool,
  type SlotChange,
  type SlotMessage,
} from '@ct/contracts'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { WorkerOptions } from './options.ts'
import { locateApp, type LogLine, type SlotConfig } from './slot/index.ts'
import { executor, type TraceServices } from './trace/index.ts'

export interface PoolStart {
  readonly pool: Pool
  readonly size: number
  readonly app: App
  readonly options: WorkerOptions
  readonly hostname: string
  readonly services: TraceServices
}

export async function startPool(start: PoolStart): Promise<void> {
  const { pool, size, app, options, services } = start
  const { settings, signals } = app
  const { log } = services
  const modules = (options.modules ?? []).map(String)
  const elsewhere = !pool.capabilities.sharesMemory
  const timeLimit = options.timeLimit ?? settings.taskTimeLimit
  const softTimeLimit = options.softTimeLimit ?? settings.taskSoftTimeLimit
  if (elsewhere) warnOfMemoryBroker(start)
  await pool.start({
    size,
    entry: slotEntry(elsewhere),
    modules,
    config: elsewhere ? await slotConfig(start, modules, { timeLimit, softTimeLimit }) : undefined,
    execute: executor(services),
    onSlotError: (error) =>
      log.error(`A slot of the pool failed outside of any task: ${error.message}`, { error }),
    onSlotMessage: (message, { pid }) => logLine(services, message, pid),
    onSlotChange: (change) => {
      if (change.kind === 'opening') void signals.workerBeforeCreateProcess.send({ sender: pool })
      else if (change.kind === 'exited' && !change.expected)
        log.error(
          `${change.pid === process.pid ? 'The thread' : 'Process'} of slot ${change.index} (pid ${change.pid}) exited${exitOf(change)}.`,
        )
    },
    maxTasksPerChild: options.maxTasksPerChild ?? settings.workerMaxTasksPerChild ?? undefined,
    maxMemoryPerChildKb: options.maxMemoryPerChild ?? settings.workerMaxMemoryPerChild ?? undefined,
    aliveTimeoutMs: settings.workerProcAliveTimeout * 1000,
    lostWaitMs: settings.workerLostWait * 1000,
    timeLimits: [softTimeLimit, timeLimit],
  })
}

async function slotConfig(
  { app, hostname, services }: PoolStart,
  modules: readonly string[],
  limits: Pick<SlotConfig, 'timeLimit' | 'softTimeLimit'>,
): Promise<SlotConfig> {
  return {
    hostname,
    app: await locateApp(app, modules),
    settings: cloneable(app.context.changes()),
    ...limits,
    logsInfo: services.log.infoEnabled,
    logsDebug: services.log.debugEnabled,
  }
}

/** Functions and objects with a life of their own (routers, TLS contexts) come from the modules again. */
function cloneable(settings: SettingsInput): SettingsInput {
  return Object.fromEntries(
    Object.entries(settings).filter(([, value]) => {
      try {
        structuredClone(value)
        return isData(value)
      } catch {
        return false
      }
    }),
  ) as SettingsInput
}

/** A class instance would arrive without its class. */
function isData(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return true
  if (Array.isArray(value)) return value.every(isData)
  return isPlainObject(value) && Object.values(value).every(isData)
}

function logLine({ log }: TraceServices, { kind, payload }: SlotMessage, pid: number): void {
  if (!isPlainObject(payload)) return
  const { level, message, fields } = payload as Partial<LogLine>
  if (typeof message !== 'string') return
  if (kind === 'error') log.error(`A slot did not close in good order: ${message}`, { pid })
  else if (kind === 'log' && level !== undefined && logLevels.has(level))
    log[level](message, { ...fields, pid })
}

const logLevels: ReadonlySet<string> = new Set<LogLine['level']>([
  'debug',
  'info',
  'warn',
  'error',
  'critical',
])

/** Beside this file, in the sources and in a bundle alike. */
function slotEntry(needed: boolean): URL {
  const here = import.meta.url
  const entry = new URL(here.endsWith('.ts') ? './slot-entry.ts' : './slot-entry.js', here)
  if (!needed || existsSync(entry)) return entry
  throw new ConfigurationError(
    `The pool's slots look for ${fileURLToPath(entry)}, which is not there. Leave @ct/worker out of your bundle (external), or make "@ct/worker/slot-entry" an entry of it called "slot-entry".`,
  )
}

function warnOfMemoryBroker({ app, pool, services }: PoolStart): void {
  const { broker } = app.context
  if (broker.capabilities.durable) return
  services.log.warn(
    `The broker ${broker.name} lives in this process, and the pool ${pool.name} runs tasks outside of it: tasks that send other tasks send them to nobody. Use a broker that all can reach.`,
  )
}

/** The line about its task says more, where there was one. */
function exitOf({ exitCode, signal }: Extract<SlotChange, { kind: 'exited' }>): string {
  if (signal !== undefined) return ` with signal ${signal}`
  return exitCode === undefined ? ' unexpectedly' : ` with exit code ${exitCode}`
}
