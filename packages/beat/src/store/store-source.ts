import type { App } from '@ct/client'
import { ConfigurationError, type ScheduleStore } from '@ct/contracts'
import { fileScheduleStore } from './file-schedule-store.ts'

/** What the setting may also say, as it stands in Python's configuration files. */
const aliases: Readonly<Record<string, string>> = {
  'celery.beat:PersistentScheduler': 'file',
  'celery.beat.PersistentScheduler': 'file',
  'celery.beat:Scheduler': 'memory',
  'celery.beat.Scheduler': 'memory',
}

/**
 * The store that `-S` and the setting `beatScheduler` name: `file`, `memory`, `broker`, or a URL whose adapter keeps schedules. Opens nothing.
 * Errors: `CT_CONFIGURATION`, `CT_ADAPTER`.
 */
export function scheduleStoreOf(app: App, source: string, filename: string): ScheduleStore {
  const name = aliases[source] ?? source
  if (name === 'file') return fileScheduleStore({ path: filename })
  if (name === 'memory') return app.context.scheduleStore('memory://')
  if (name === 'broker' || name.includes('://'))
    return app.context.scheduleStore(name === 'broker' ? undefined : name)
  const isDjango = name === 'django' || name.startsWith('django_celery_beat')
  throw new ConfigurationError(
    `beat knows no scheduler "${source}". ${
      isDjango
        ? 'The tables of django-celery-beat are not read yet: run "celery beat" for them, its messages are the same. '
        : ''
    }Give file, memory, broker (the broker's own server), a URL such as redis://localhost, or a store in code: app.beat({ store }).`,
    { details: { field: 'beatScheduler', value: source, allowed: ['file', 'memory', 'broker', 'a URL'] } },
  )
}
