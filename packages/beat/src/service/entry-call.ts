/** What an entry sends when it fires. */
import { prepareTask, type App, type PreparedTask } from '@ct/client'
import {
  decodeJson,
  isoformat,
  isPlainObject,
  RawJson,
  scheduledAtHeader,
  type StoredScheduleEntry,
} from '@ct/contracts'
import type { LazyArguments } from '../entry/index.ts'

export interface EntryCall {
  readonly entry: StoredScheduleEntry
  readonly lazy: LazyArguments | undefined
  /** Undefined: a random one. */
  readonly taskId?: string
  /** Epoch ms; undefined: not made for an instant, and so never a duplicate. */
  readonly scheduledAt?: number
}

/**
 * The message of one run. Headers as of the beats in Python: `celery_beat_task` (celery/beat.py 5.7, `apply_entry`) and `periodic_task_name`
 * (django-celery-beat 2.9, which its table of results has a column for); and the instant that the run is made for. Errors as of `applyAsync`, and
 * whatever lazy arguments throw.
 */
export function prepareEntry(app: App, { entry, lazy, taskId, scheduledAt }: EntryCall): PreparedTask {
  const options = (entry.options === '{}' ? {} : decodeJson(entry.options)) as Readonly<
    Record<string, unknown>
  >
  const own = isPlainObject(options['headers']) ? options['headers'] : {}
  return prepareTask(app.context, {
    task: entry.task,
    args: lazy?.args === undefined ? RawJson.from(entry.args) : lazy.args(),
    kwargs: lazy?.kwargs === undefined ? RawJson.from(entry.kwargs) : lazy.kwargs(),
    options: {
      ...options,
      ...(taskId === undefined ? {} : { task_id: taskId }),
      headers: {
        ...own,
        celery_beat_task: true,
        periodic_task_name: entry.name,
        ...(scheduledAt === undefined ? {} : { [scheduledAtHeader]: isoformat(scheduledAt) }),
      },
    },
    byName: !app.tasks.has(entry.task),
  })
}
