/**
 * Counts one start of a message (B17).
 *
 * Guarantee: atomic. The hash as a whole is forgotten when nothing was counted for a week, so that counts of messages which a Python
 * peer settled do not stay for ever.
 *
 * A message that is not ours any more is not counted: who has it now may have settled it, and nobody would forget the count.
 *
 * KEYS  1 starts, 2 unacked_index
 * ARGV  1 message id, 2 tag ('' when nothing is filed)
 * Reply the new count, 0 when the message is not ours
 */
import { script, type Script } from '../connection/script.ts'

export const countStart: Script = script(
  'count-start',
  `
if ARGV[2] ~= '' and not redis.call('ZSCORE', KEYS[2], ARGV[2]) then return 0 end
local count = redis.call('HINCRBY', KEYS[1], ARGV[1], 1)
redis.call('EXPIRE', KEYS[1], 604800)
return count
`,
)
