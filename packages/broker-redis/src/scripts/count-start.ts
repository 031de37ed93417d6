/**
 * Counts one start of a message (B17).
 *
 * Guarantee: atomic. The hash as a whole is forgotten when nothing was counted for a week, so that counts of messages which a Python
 * peer settled do not stay for ever.
 *
 * KEYS  1 starts
 * ARGV  1 message id
 * Reply the new count
 */
import { script, type Script } from '../connection/script.ts'

export const countStart: Script = script(
  'count-start',
  `
local count = redis.call('HINCRBY', KEYS[1], ARGV[1], 1)
redis.call('EXPIRE', KEYS[1], 604800)
return count
`,
)
