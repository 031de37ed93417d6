/**
 * Looks for messages whose lease ran out and, when there are any, tries to become the one who restores them.
 *
 * Guarantee: the lock is kombu's (SET NX PX with a token), so Python and ct never sweep at the same time; without overdue
 * messages nothing is written.
 *
 * KEYS  1 unacked_index, 2 unacked, 3 unacked_mutex
 * ARGV  1 visibility timeout in ms, 2 most entries, 3 lock token, 4 lock life in ms
 * Reply false: nothing overdue, or somebody else sweeps. Else {cutoff, tag, entry or false, tag, entry or false, …}, oldest first
 */
import { script, type Script } from '../connection/script.ts'

export const findOverdue: Script = script(
  'find-overdue',
  `
local now = redis.call('TIME')
local cutoff = string.format('%.6f', now[1] + now[2] / 1000000 - tonumber(ARGV[1]) / 1000)
local tags = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', cutoff, 'LIMIT', 0, ARGV[2])
if #tags == 0 then return false end
if redis.call('GET', KEYS[3]) ~= ARGV[3] and not redis.call('SET', KEYS[3], ARGV[3], 'NX', 'PX', ARGV[4]) then return false end
local reply = {cutoff}
for i = 1, #tags do
  reply[2 * i] = tags[i]
  reply[2 * i + 1] = redis.call('HGET', KEYS[2], tags[i])
end
return reply
`,
)
