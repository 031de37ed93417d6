/** Settings that concern everything (celery/app/defaults.py 5.7). Durations are seconds unless the name says otherwise. */
import { setting } from './setting.ts'
import type { Options } from './setting.ts'

export const generalSettings = {
  /** Serializers or MIME types accepted by consumers. */
  acceptContent: setting<readonly string[]>('list', ['json'], { old: 'CELERY_ACCEPT_CONTENT' }),
  /** Use UTC for message times and default zone. */
  enableUtc: setting<boolean>('bool', true),
  /** Modules imported at worker start. */
  imports: setting<readonly string[]>('list', [], { old: 'CELERY_IMPORTS' }),
  /** Same, imported after `imports`. */
  include: setting<readonly string[]>('list', [], { old: 'CELERY_INCLUDE' }),
  /** Zone name for schedules and naive times; unset = UTC. */
  timezone: setting<string | null>('string', null, { old: 'CELERY_TIMEZONE' }),
  /** Alias → backend class. */
  overrideBackends: setting<Options>('dict', {}, { onDemand: true }),
}
