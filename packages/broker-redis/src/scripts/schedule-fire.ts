/**
 * An entry fires: its task is sent and its run noted, or neither (S6).
 *
 * Guarantee: atomic; nothing is sent when the token is not the last one given, when the entry is gone, or when it has made this run or a
 * later one. So the same call may come twice, and a leader that was stopped and woke up sends nothing.
 *
 * KEYS  1 entries, 2 runs, 3 token; then the lists to push to
 * ARGV  1 token, '' for none; 2 name, 3 epoch ms of the run, 4 count; 5 number of lists, 6 of channels; per list the envelope; per channel
 *       its name and the envelope
 * Reply 1 sent, 2 made already, 3 gone, 0 the token is another one's
 */
import { script, type Script } from '../connection/script.ts'

export const scheduleFire: Script = script(
  'schedule-fire',
  `
if ARGV[1] ~= '' and ARGV[1] ~= (redis.call('GET', KEYS[3]) or '0') then return 0 end
if redis.call('HEXISTS', KEYS[1], ARGV[2]) == 0 then return 3 end
local run = redis.call('HGET', KEYS[2], ARGV[2])
if run and tonumber(string.match(run, '^[^ ]+')) >= tonumber(ARGV[3]) then return 2 end
redis.call('HSET', KEYS[2], ARGV[2], ARGV[3] .. ' ' .. ARGV[4])
local a = 6
for i = 1, tonumber(ARGV[5]) do
  redis.call('LPUSH', KEYS[3 + i], ARGV[a + 1])
  a = a + 1
end
for i = 1, tonumber(ARGV[6]) do
  redis.call('PUBLISH', ARGV[a + 1], ARGV[a + 2])
  a = a + 2
end
return 1
`,
)
