/**
 * Records one part of a chord; the part that completes it also claims the right to go on (celery/backends/redis.py 5.7, D57-1…3, D57-7).
 *
 * Guarantee: atomic. A task's part counts once, the first value wins; at most one caller holds the claim at a time; nothing is recorded after
 * the chord is done. Parts written by Python, in the old way without `.d` too, are counted. A key of parts that is there keeps its type: where
 * `result_chord_ordered` is not the same in the whole fleet, the first part decides (PAIN-70).
 *
 * KEYS  1 .j, 2 .t, 3 .s, 4 .d, 5 the group document, 6 .c
 * ARGV  1 '1' sorted set or '0' list, 2 score, 3 the part, 4 member of .d, 5 chord ttl in ms ('' none), 6 token, 7 claim life in ms
 * Reply {state, count, total or -1}: state 0 open, 1 complete and claimed by us, 2 closed; or {3, ms left of the claim of somebody else}
 */
import { script, type Script } from '../connection/script.ts'

export const chordRecord: Script = script(
  'chord-record',
  `
local parts, claim = KEYS[1], redis.call('GET', KEYS[6])
if claim == 'done' then return {2, 0, -1} end
local kind = redis.call('TYPE', parts).ok
local ordered = kind == 'zset' or (kind ~= 'list' and ARGV[1] == '1')
if redis.call('SADD', KEYS[4], ARGV[4]) == 1 then
  if ordered then redis.call('ZADD', parts, ARGV[2], ARGV[3]) else redis.call('RPUSH', parts, ARGV[3]) end
end
local count = ordered and redis.call('ZCARD', parts) or redis.call('LLEN', parts)
local added, size = redis.call('GET', KEYS[2]), redis.call('GET', KEYS[3])
if ARGV[5] ~= '' then
  for i = 1, 4 do redis.call('PEXPIRE', KEYS[i], ARGV[5]) end
  local left = redis.call('PTTL', KEYS[5])
  if left >= 0 and left < tonumber(ARGV[5]) then redis.call('PEXPIRE', KEYS[5], ARGV[5]) end
end
if not size then return {claim and 2 or 0, count, -1} end
local total = tonumber(size) + tonumber(added or 0)
if count ~= total then return {0, count, total} end
if claim == ARGV[6] or redis.call('SET', KEYS[6], ARGV[6], 'NX', 'PX', ARGV[7]) then return {1, count, total} end
return {3, redis.call('PTTL', KEYS[6])}
`,
)
