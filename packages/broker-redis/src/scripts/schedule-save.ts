/**
 * Changes entries and runs (S3, S4, S5).
 *
 * Guarantee: all or nothing; refused as a whole when the token is not the last one given. Each entry that is put or removed moves the marker by one
 * and leaves a line in the log, and nothing else does. The first marker is the server's time, so that one of before a loss of data is not met again.
 *
 * KEYS  1 entries, 2 runs, 3 marker, 4 token, 5 log of changes
 * ARGV  1 token, '' for none; 2 number of entries to put, 3 of names to remove, 4 of runs, 5 of lines that the log keeps; then per entry its name,
 *       its JSON and its run ('' keeps the one that is there); names; per run the name and the run
 * Reply the marker before and after, or 0 when the token is another one's
 */
import { script, type Script } from '../connection/script.ts'

export const scheduleSave: Script = script(
  'schedule-save',
  `
if ARGV[1] ~= '' and ARGV[1] ~= (redis.call('GET', KEYS[4]) or '0') then return 0 end
local before = redis.call('GET', KEYS[3]) or '0'
local number = tonumber(before) or 0
if number == 0 then
  local now = redis.call('TIME')
  number = now[1] * 1000000 + now[2]
end
local function changed(name)
  number = number + 1
  redis.call('LPUSH', KEYS[5], string.format('%.0f', number) .. ' ' .. name)
end
local a = 5
for i = 1, tonumber(ARGV[2]) do
  redis.call('HSET', KEYS[1], ARGV[a + 1], ARGV[a + 2])
  if ARGV[a + 3] ~= '' then redis.call('HSET', KEYS[2], ARGV[a + 1], ARGV[a + 3]) end
  changed(ARGV[a + 1])
  a = a + 3
end
for i = 1, tonumber(ARGV[3]) do
  redis.call('HDEL', KEYS[1], ARGV[a + 1])
  redis.call('HDEL', KEYS[2], ARGV[a + 1])
  changed(ARGV[a + 1])
  a = a + 1
end
for i = 1, tonumber(ARGV[4]) do
  if redis.call('HEXISTS', KEYS[1], ARGV[a + 1]) == 1 then redis.call('HSET', KEYS[2], ARGV[a + 1], ARGV[a + 2]) end
  a = a + 2
end
if tonumber(ARGV[2]) + tonumber(ARGV[3]) == 0 then return { before, before } end
local after = string.format('%.0f', number)
redis.call('SET', KEYS[3], after)
redis.call('LTRIM', KEYS[5], 0, tonumber(ARGV[5]) - 1)
return { before, after }
`,
)
