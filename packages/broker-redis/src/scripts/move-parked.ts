/**
 * Takes one parked message out: back into its queue, or away.
 *
 * Guarantee: atomic; a message that somebody else retried or dropped meanwhile is not put back again.
 *
 * KEYS  1 parked list, 2 list to put it into, 3 starts
 * ARGV  1 the parked item, 2 text to put back, '' to drop it, 3 message id whose count to forget ('' none)
 * Reply 1 when it was there
 */
import { script, type Script } from '../connection/script.ts'

export const moveParked: Script = script(
  'move-parked',
  `
if redis.call('LREM', KEYS[1], -1, ARGV[1]) == 0 then return 0 end
if ARGV[3] ~= '' then redis.call('HDEL', KEYS[3], ARGV[3]) end
if ARGV[2] ~= '' then redis.call('LPUSH', KEYS[2], ARGV[2]) end
return 1
`,
)
