/**
 * Ends a chord whose body was published, or given up: the parts go, late ones are ignored for a while (D57-4).
 *
 * Guarantee: atomic; only for the holder of the claim.
 *
 * KEYS  1 .j, 2 .t, 3 .s, 4 .d, 5 .c, 6 the notes on open chords
 * ARGV  1 token, 2 life of the mark in ms, 3 group id
 * Reply 1 when the claim was ours
 */
import { script, type Script } from '../connection/script.ts'

export const chordFinish: Script = script(
  'chord-finish',
  `
if redis.call('GET', KEYS[5]) ~= ARGV[1] then return 0 end
redis.call('DEL', KEYS[1], KEYS[2], KEYS[3], KEYS[4])
redis.call('HDEL', KEYS[6], ARGV[3])
redis.call('SET', KEYS[5], 'done', 'PX', ARGV[2])
return 1
`,
)
