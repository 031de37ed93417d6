/**
 * Gives the lead back.
 *
 * Guarantee: atomic; never takes it from somebody else.
 *
 * KEYS  1 leader
 * ARGV  1 holder
 * Reply 1 when it was ours
 */
import { script, type Script } from '../connection/script.ts'

export const scheduleResign: Script = script(
  'schedule-resign',
  `
if redis.call('HGET', KEYS[1], 'holder') ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])
`,
)
