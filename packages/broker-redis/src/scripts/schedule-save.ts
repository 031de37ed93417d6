/**
 * Changes entries, and publishes when an entry fires (S3, S4, S6).
 *
 * Guarantee: all or nothing; refused as a whole when the token is older than the last one given; the marker differs afterwards.
 *
 * KEYS  1 entries, 2 marker, 3 token; then the lists to push to
 * ARGV  1 token, '' for none; 2 number of entries to put, 3 of names to remove, 4 of pushes, 5 of channels; then
 *       per entry name and JSON; names; per push the envelope; per channel its name and the envelope
 * Reply 1, or 0 when the token is too old
 */
import { script, type Script } from '../connection/script.ts'

export const scheduleSave: Script = script(
  'schedule-save',
  `
if ARGV[1] ~= '' and tonumber(ARGV[1]) < tonumber(redis.call('GET', KEYS[3]) or '0') then return 0 end
local a = 5
for i = 1, tonumber(ARGV[2]) do
  redis.call('HSET', KEYS[1], ARGV[a + 1], ARGV[a + 2])
  a = a + 2
end
for i = 1, tonumber(ARGV[3]) do
  redis.call('HDEL', KEYS[1], ARGV[a + 1])
  a = a + 1
end
for i = 1, tonumber(ARGV[4]) do
  redis.call('LPUSH', KEYS[3 + i], ARGV[a + 1])
  a = a + 1
end
for i = 1, tonumber(ARGV[5]) do
  redis.call('PUBLISH', ARGV[a + 1], ARGV[a + 2])
  a = a + 2
end
redis.call('INCR', KEYS[2])
return 1
`,
)
