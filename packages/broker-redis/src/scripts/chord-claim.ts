/**
 * Keeps the claim on a complete chord, or takes it again when it ran out and nobody finished meanwhile (D57-3).
 *
 * Guarantee: atomic; never takes a claim that somebody else holds.
 *
 * KEYS  1 .c, 2 .s
 * ARGV  1 token, 2 life in ms
 * Reply 1 when the claim is ours
 */
import { script, type Script } from '../connection/script.ts'

export const chordClaim: Script = script(
  'chord-claim',
  `
local holder = redis.call('GET', KEYS[1])
if holder == ARGV[1] then return redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
if not holder and redis.call('EXISTS', KEYS[2]) == 1 then
  redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
  return 1
end
return 0
`,
)
