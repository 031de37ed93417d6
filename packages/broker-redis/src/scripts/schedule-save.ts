/**
 * Changes entries and runs (S3, S4).
 *
 * Guarantee: all or nothing; refused as a whole when the token is not the last one given. The marker moves when entries were put or
 * removed, and only then.
 *
 * KEYS  1 entries, 2 runs, 3 marker, 4 token
 * ARGV  1 token, '' for none; 2 number of entries to put, 3 of names to remove, 4 of runs; then per entry its name, its JSON and its run
 *       ('' keeps the one that is there); names; per run the name and the run
 * Reply 1, or 0 when the token is another one's
 */
import { script, type Script } from '../connection/script.ts'

export const scheduleSave: Script = script(
  'schedule-save',
  `
if ARGV[1] ~= '' and ARGV[1] ~= (redis.call('GET', KEYS[4]) or '0') then return 0 end
local a = 4
for i = 1, tonumber(ARGV[2]) do
  redis.call('HSET', KEYS[1], ARGV[a + 1], ARGV[a + 2])
  if ARGV[a + 3] ~= '' then redis.call('HSET', KEYS[2], ARGV[a + 1], ARGV[a + 3]) end
  a = a + 3
end
for i = 1, tonumber(ARGV[3]) do
  redis.call('HDEL', KEYS[1], ARGV[a + 1])
  redis.call('HDEL', KEYS[2], ARGV[a + 1])
  a = a + 1
end
for i = 1, tonumber(ARGV[4]) do
  if redis.call('HEXISTS', KEYS[1], ARGV[a + 1]) == 1 then redis.call('HSET', KEYS[2], ARGV[a + 1], ARGV[a + 2]) end
  a = a + 2
end
if tonumber(ARGV[2]) + tonumber(ARGV[3]) > 0 then redis.call('INCR', KEYS[3]) end
return 1
`,
)
