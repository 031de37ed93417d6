/**
 * Becomes, or stays, the one beat that leads.
 *
 * Guarantee: atomic; at most one holder at a time by the server's clock; each new acquisition has a higher token than any before. Tokens are
 * microseconds of the server's clock, so that a server that lost its data gives none that it gave before. Where the last token was evicted or
 * written over, the one who leads gets a new one, since its own would be refused.
 *
 * KEYS  1 leader, 2 token
 * ARGV  1 holder, 2 life in ms
 * Reply the token as text, or 0 when somebody else leads
 */
import { script, type Script } from '../connection/script.ts'

export const scheduleLead: Script = script(
  'schedule-lead',
  `
local leader = redis.call('HMGET', KEYS[1], 'holder', 'token')
if leader[1] and leader[1] ~= ARGV[1] then return 0 end
local token = leader[2]
local given = redis.call('GET', KEYS[2])
if not leader[1] or given ~= token then
  local now = redis.call('TIME')
  local last = tonumber(given or '0') or 0
  if last > 9e15 then last = 0 end
  token = string.format('%.0f', math.max(last + 1, now[1] * 1000000 + now[2]))
  redis.call('SET', KEYS[2], token)
  redis.call('HSET', KEYS[1], 'holder', ARGV[1], 'token', token)
end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return token
`,
)
