/**
 * Reads entries and runs as they are at one moment (S2, S3).
 *
 * KEYS  1 entries, 2 runs
 * Reply names and JSON of the entries, one after the other; the same of the runs
 */
import { script, type Script } from '../connection/script.ts'

export const scheduleLoad: Script = script(
  'schedule-load',
  `
return { redis.call('HGETALL', KEYS[1]), redis.call('HGETALL', KEYS[2]) }
`,
)
