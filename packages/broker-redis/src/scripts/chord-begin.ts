/**
 * Declares how many parts a chord has, and leaves a note for those who look after open chords.
 *
 * Guarantee: atomic, so that a claim of an earlier run never meets the new size (D57-6), and no open chord is without its note. The notes are
 * bounded: where nobody takes them away, since no worker of ct is there, the newest chords go without.
 *
 * KEYS  1 .c, 2 .s, 3 the notes
 * ARGV  1 size, 2 ttl in ms ('' none), 3 group id, 4 note ('' none), 5 most notes
 */
import { script, type Script } from '../connection/script.ts'

export const chordBegin: Script = script(
  'chord-begin',
  `
redis.call('DEL', KEYS[1])
if ARGV[2] == '' then redis.call('SET', KEYS[2], ARGV[1]) else redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[2]) end
if ARGV[4] ~= '' and redis.call('HLEN', KEYS[3]) < tonumber(ARGV[5]) then
  redis.call('HSET', KEYS[3], ARGV[3], ARGV[4])
  if ARGV[2] ~= '' then redis.call('PEXPIRE', KEYS[3], ARGV[2]) else redis.call('PERSIST', KEYS[3]) end
end
return 1
`,
)
