/**
 * Becomes, or stays, the one beat that leads.
 *
 * Guarantee: atomic; at most one holder at a time by the server's clock; each new acquisition has a higher token than any before.
 *
 * KEYS  1 leader, 2 token
 * ARGV  1 holder, 2 life in ms
 * Reply the token, or 0 when somebody else leads
 */
import { script, type Script } from '../connection/script.ts'

export const scheduleLead: Script = script(
  'schedule-lead',
  `
local leader = redis.call('HMGET', KEYS[1], 'holder', 'token')
if leader[1] and leader[1] ~= ARGV[1] then return 0 end
local token = leader[2]
if not leader[1] then
  token = redis.call('INCR', KEYS[2])
  redis.call('HSET', KEYS[1], 'holder', ARGV[1], 'token', token)
end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return tonumber(token)
`,
)
