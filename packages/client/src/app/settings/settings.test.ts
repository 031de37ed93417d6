import { readFileSync } from 'node:fs'
import { ConfigurationError } from '@ct/contracts'
import { describe, expect, it } from 'vitest'
import { Configuration } from './configuration.ts'
import { settingsTable } from './index.ts'
import type { SettingName, SettingsInput } from './index.ts'
import { settingsAsText, settingsForDisplay } from './setting-display.ts'
import { findSetting, oldName, snakeCased } from './setting-names.ts'
import {
  settingsFromCommandLine,
  settingsFromEnvironment,
  settingsFromObject,
  settingsFromOverrides,
} from './setting-sources.ts'

/** The settings of Celery 5.7.0, as a running one tells them. */
const celery = JSON.parse(
  readFileSync(new URL('../../../test/celery-5.7-settings.json', import.meta.url), 'utf8'),
) as Record<string, { type: string; default: unknown; old: string[] }>

const names = Object.keys(celery)

/** Python's value as ct writes it. */
function expected(name: string): unknown {
  const value = celery[name]!.default
  if (name === 'result_expires') return 86_400
  if (value === 'Infinity') return Infinity
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [
      key.replaceAll(/_([a-z])/g, (_, letter: string) => letter.toUpperCase()),
      inner,
    ]),
  )
}

function configuration(
  given: object = {},
  defaults: 'ct' | 'celery' = 'ct',
  environment = {},
): Configuration {
  return new Configuration(given, { defaults, environment })
}

/** The value as it is kept when an app is made with it. */
function kept(name: SettingName, value: unknown): unknown {
  return configuration({ [name]: value }).changes()[name]
}

function isTaken(name: SettingName, value: unknown): boolean {
  try {
    kept(name, value)
    return true
  } catch (error) {
    if (error instanceof ConfigurationError && error.message.startsWith(`The setting ${name} must be`))
      return false
    throw error
  }
}

describe('the table of settings', () => {
  it('holds the 207 settings of Celery 5.7.0', () => {
    expect(names).toHaveLength(207)
  })

  it.each(names)('SET: %s is known by its names, with Celery’s default', (name) => {
    const found = findSetting(name)
    expect(found?.style).toMatch(/camel|snake/)
    const setting = found!.name
    expect(snakeCased(setting)).toBe(name)
    expect(settingsTable[setting].default).toEqual(expected(name))
    expect(findSetting(celery[name]!.old[0]!)).toEqual({ name: setting, style: 'old' })
    expect(oldName(setting)).toBe(celery[name]!.old[0])
  })

  // What these do comes with the feature they belong to: tools/checks/parity/notes.json says so of each.
  it('SET-2…16 SET-23 SET-26 SET-28…29 SET-39…51 SET-57…73 SET-82…85 SET-88 SET-95 SET-111…112 SET-115 SET-117…127 SET-150 SET-156 SET-166…167 SET-170 SET-172 SET-178 SET-180…183 SET-186…188 SET-190…192 SET-195…203 SET-207…210: are accepted and validated', () => {
    const all = Object.keys(settingsTable) as SettingName[]
    expect(all.map((name) => kept(name, settingsTable[name].default))).toEqual(
      all.map((name) => settingsTable[name].default),
    )
    const takesNull = all.filter((name) => isTaken(name, null))
    expect(takesNull).toEqual(all.filter((name) => settingsTable[name].nullable))
    const takesAnything = all.filter((name) => isTaken(name, Symbol('nonsense')))
    expect(takesAnything).toEqual(all.filter((name) => settingsTable[name].kinds.includes('any')))
  })

  it('marks what is ct’s own', () => {
    const own = (Object.keys(settingsTable) as SettingName[]).filter((name) => settingsTable[name].own)
    expect(own.toSorted()).toEqual([
      'chordStallTimeoutMs',
      'chordSweepIntervalMs',
      'maxClaim',
      'maxDecompressedBytes',
      'maxDeliveries',
      'publishTimeoutMs',
      'workerGossip',
      'workerMingle',
    ])
  })
})

describe('Configuration', () => {
  it('SET-214: has ct’s defaults, or Celery’s with one switch', () => {
    const ct = configuration().settings
    const plain = configuration({}, 'celery').settings
    expect([ct.taskAcksLate, plain.taskAcksLate]).toEqual([true, false])
    expect([ct.taskRejectOnWorkerLost, plain.taskRejectOnWorkerLost]).toEqual([true, null])
    expect([ct.maxDeliveries, plain.maxDeliveries]).toEqual([5, null])
    expect([ct.publishTimeoutMs, plain.publishTimeoutMs]).toEqual([10_000, null])
    expect([ct.workerSoftShutdownTimeout, plain.workerSoftShutdownTimeout]).toEqual([20, 0])
    expect([ct.workerPrefetchMultiplier, plain.workerPrefetchMultiplier]).toEqual([4, 4])
    expect([ct.workerMingle, plain.workerMingle]).toEqual(['background', 'wait'])
    expect([ct.workerGossip, plain.workerGossip]).toEqual([false, true])
    for (const { acceptContent, brokerConnectionMaxRetries, resultExpires, taskIgnoreResult } of [
      ct,
      plain,
    ]) {
      expect([acceptContent, brokerConnectionMaxRetries, resultExpires, taskIgnoreResult]).toEqual([
        ['json'],
        100,
        86_400,
        false,
      ])
    }
    expect(Object.isFrozen(ct)).toBe(true)
  })

  it('APP-20: app over source over added defaults over built-in ones', () => {
    const config = configuration({ taskDefaultQueue: 'app' })
    config.addDefaults({ taskDefaultQueue: 'first', timezone: 'Europe/Berlin', eventQueueTtl: 1 })
    config.addDefaults(() => ({ timezone: 'UTC', eventQueueTtl: 2, taskDefaultPriority: 3 }))
    config.setSource({ taskDefaultQueue: 'source', eventQueueTtl: 3 })
    const { settings } = config
    expect(settings.taskDefaultQueue).toBe('app')
    expect(settings.eventQueueTtl).toBe(3)
    expect(settings.timezone).toBe('Europe/Berlin')
    expect(settings.taskDefaultPriority).toBe(3)
    expect(settings.taskSerializer).toBe('json')
    config.setSource({})
    expect(config.settings.eventQueueTtl).toBe(1)
    expect(config.settings.taskDefaultQueue).toBe('app')
  })

  it('APP-27, SET-213: four environment variables beat everything', () => {
    const environment = {
      CELERY_BROKER_URL: 'redis://env',
      CELERY_RESULT_BACKEND: 'redis://results',
      CELERY_BROKER_READ_URL: '',
    }
    const config = configuration({ brokerUrl: 'redis://given' }, 'ct', environment)
    expect(config.settings.brokerUrl).toBe('redis://env')
    expect(config.settings.resultBackend).toBe('redis://results')
    expect(config.settings.brokerReadUrl).toBeNull()
    expect(settingsFromOverrides({})).toEqual({})
  })

  it('refuses what is unknown or wrong, and says what was meant', () => {
    expect(() => configuration({ taskAckLate: true })).toThrow(
      /unknown setting "taskAckLate"\. Did you mean "taskAcksLate"\?/,
    )
    expect(() => configuration({ task_acks_late: true })).toThrow(/write it as "taskAcksLate"/)
    expect(() => configuration({ CELERY_ACKS_LATE: true })).toThrow(/write it as "taskAcksLate"/)
    expect(() => configuration({ taskAcksLate: 'yes' })).toThrow(
      /taskAcksLate must be true or false; it is of type string/,
    )
    expect(() => configuration({ workerPrefetchMultiplier: 1.5 })).toThrow(
      /must be a whole number not below 0; it is 1.5/,
    )
    expect(() => configuration({ workerPrefetchMultiplier: -1 })).toThrow(/not below 0; it is -1/)
    expect(() => configuration({ resultExpires: -1 })).toThrow(/not below 0, or null; it is -1/)
    expect(() => configuration({ taskTimeLimit: Infinity })).toThrow(/it is Infinity/)
    expect(() => configuration({ taskDefaultRateLimit: '10/d' })).toThrow(
      /taskDefaultRateLimit must be a number per/,
    )
    expect(() => configuration({ workerConcurrency: 'many' })).toThrow(/must be a whole number or "auto"/)
    expect(() => configuration({ taskSerializer: null })).toThrow(/must be text; it is null/)
    expect(() => configuration({ taskProtocol: 1 })).toThrow(/taskProtocol must be 2/)
    expect(() => configuration({ maxDeliveries: 0 })).toThrow(/not below 1/)
    expect(() => configuration({ taskPublishRetryPolicy: { retries: 1 } })).toThrow(/unknown key "retries"/)
    expect(() => configuration({ s3SecretAccessKey: 5 })).toThrow(/must be text, or null; it is 5/)
    expect(configuration({ taskAcksLate: undefined }).settings.taskAcksLate).toBe(true)
  })

  it('APP-30, APP-36: tells what was changed, and what is deprecated', () => {
    const config = configuration({ taskAcksOnFailureOrTimeout: false })
    config.update({ taskRoutes: { a: 'b' } })
    expect(config.changes()).toEqual({ taskAcksOnFailureOrTimeout: false, taskRoutes: { a: 'b' } })
    expect(config.deprecations()).toEqual([
      { name: 'taskAcksOnFailureOrTimeout', use: 'taskAcksOnFailure and taskAcksOnTimeout' },
    ])
  })
})

describe('sources', () => {
  it('APP-22, APP-28: takes names of one style, whichever it is', () => {
    const wanted: SettingsInput = { taskAcksLate: false, resultExpires: 60, taskCompression: 'zlib' }
    expect(settingsFromObject({ taskAcksLate: false, resultExpires: 60, taskCompression: 'zlib' })).toEqual(
      wanted,
    )
    expect(
      settingsFromObject({ task_acks_late: false, result_expires: 60, task_compression: 'zlib' }),
    ).toEqual(wanted)
    // SET-211: old names that are no mere upper case
    expect(
      settingsFromObject({
        CELERY_ACKS_LATE: false,
        CELERY_TASK_RESULT_EXPIRES: 60,
        CELERY_MESSAGE_COMPRESSION: 'zlib',
      }),
    ).toEqual(wanted)
    expect(settingsFromObject({ ENABLE_UTC: false })).toEqual({ enableUtc: false })
    expect(settingsFromObject({ task_publish_retry_policy: { max_retries: 1 } })).toEqual({
      taskPublishRetryPolicy: { maxRetries: 1 },
    })
  })

  it('APP-28: refuses a mixture, and lists the renames of the minority', () => {
    expect(() =>
      settingsFromObject({ task_acks_late: true, result_expires: 1, CELERY_IGNORE_RESULT: true }),
    ).toThrow(/Rename: CELERY_IGNORE_RESULT → task_ignore_result\./)
    expect(() =>
      settingsFromObject({ taskAcksLate: true, CELERY_IGNORE_RESULT: true, CELERYD_CONCURRENCY: 2 }),
    ).toThrow(/Rename: taskAcksLate → CELERY_ACKS_LATE\./)
    // The same setting in both styles is tolerated; the new name wins.
    expect(settingsFromObject({ task_acks_late: true, CELERY_ACKS_LATE: false })).toEqual({
      taskAcksLate: true,
    })
  })

  it('APP-25: with a namespace takes new names behind the prefix alone', () => {
    expect(
      settingsFromObject(
        { CELERY_TASK_ACKS_LATE: true, DEBUG: true, celery_task_serializer: 'x' },
        { namespace: 'CELERY' },
      ),
    ).toEqual({ taskAcksLate: true })
    expect(settingsFromObject({ CELERY_ENABLE_UTC: false }, { namespace: 'CELERY' })).toEqual({
      enableUtc: false,
    })
    expect(() => settingsFromObject({ CELERY_ACKS_LATE: true }, { namespace: 'CELERY' })).toThrow(
      /unknown setting/,
    )
    expect(settingsFromObject({}, { namespace: 'CELERY' })).toEqual({})
  })

  it('APP-37, PAIN-45: refuses unknown names with a suggestion', () => {
    expect(() => settingsFromObject({ task_ack_late: true })).toThrow(/Did you mean "taskAcksLate"/)
    expect(() => settingsFromObject({ CELERY_ACK_LATE: true })).toThrow(/Did you mean "CELERY_ACKS_LATE"/)
  })

  it('APP-32: reads values from an environment by their types', () => {
    expect(
      settingsFromEnvironment({
        CELERY_TASK_ALWAYS_EAGER: 'on',
        CELERY_WORKER_PREFETCH_MULTIPLIER: '1',
        CELERY_RESULT_EXPIRES: 'none',
        CELERY_ACCEPT_CONTENT: 'json, msgpack',
        CELERY_TASK_ROUTES: '{"a": "b"}',
        CELERY_RESULT_BACKEND_MAX_RETRIES: 'inf',
        CELERYD_CONCURRENCY: '4',
        CELERY_ACKS_LATE: 'no',
        CELERY_SERVICE_HOST: '10.0.0.1',
        CELERY_CONFIG_MODULE: 'proj',
        PATH: '/bin',
      }),
    ).toEqual({
      taskAlwaysEager: true,
      workerPrefetchMultiplier: 1,
      resultExpires: null,
      acceptContent: ['json', 'msgpack'],
      taskRoutes: { a: 'b' },
      resultBackendMaxRetries: Infinity,
      workerConcurrency: 4,
      taskAcksLate: false,
    })
    expect(() => settingsFromEnvironment({ CELERY_TASK_ALWAYS_EAGER: 'perhaps' })).toThrow(
      /must be true or false/,
    )
    expect(settingsFromEnvironment({ CELERY_WORKER_CONCURRENCY: 'auto' })).toEqual({
      workerConcurrency: 'auto',
    })
  })

  it('APP-24: reads words of a command line', () => {
    expect(settingsFromCommandLine(['worker.prefetch_multiplier=1', 'task_acks_late=off'])).toEqual({
      workerPrefetchMultiplier: 1,
      taskAcksLate: false,
    })
    expect(settingsFromCommandLine(['.concurrency=(int)3', 'task.default_queue=a=b'], 'worker')).toEqual({
      workerConcurrency: 3,
      taskDefaultQueue: 'a=b',
    })
    expect(() => settingsFromCommandLine(['.concurency=3'], 'worker')).toThrow(
      /Did you mean "workerConcurrency"/,
    )
    expect(() => settingsFromCommandLine(['concurrency'])).toThrow(/key=value/)
  })
})

describe('settingsForDisplay', () => {
  it('APP-33, SEC-55: masks secrets and passwords in URLs', () => {
    const shown = settingsForDisplay({
      brokerUrl: ['redis://user:secret@host/0', 'redis://:secret@other'],
      resultBackend: 'redis://:secret@host/1',
      s3SecretAccessKey: 'secret',
      securityKeyPassword: 'secret',
      redisPassword: 'secret',
      taskDefaultRoutingKey: 'shown',
      brokerTransportOptions: { password: 'secret', visibilityTimeout: 60 },
      taskRoutes: () => 'queue',
    })
    expect(JSON.stringify(shown)).not.toContain('secret@')
    expect(JSON.stringify(shown)).not.toContain('"secret"')
    expect(shown['broker_url']).toEqual(['redis://user:**@host/0', 'redis://:**@other'])
    expect(shown['task_default_routing_key']).toBe('shown')
    expect(shown['broker_transport_options']).toEqual({ password: '********', visibilityTimeout: 60 })
    expect(settingsForDisplay({ resultBackendMaxRetries: Infinity })).toEqual({
      result_backend_max_retries: 'inf',
    })
    expect(settingsAsText({ timezone: 'UTC', acceptContent: ['json'] })).toBe(
      'accept_content: ["json"]\ntimezone: "UTC"',
    )
  })
})
