/**
 * Reads entries and runs as they are at one moment (S2, S3, S5).
 *
 * KEYS  1 entries, 2 runs, 3 marker
 * ARGV  1 '' for all; else names are meant: 2 and on
 * Reply marker; names and JSON of the entries, one after the other; the same of the runs
 */
import { script, type Script } from '../connection/script.ts'

export const scheduleLoad: Script = script(
  'schedule-load',
  `
local marker = redis.call('GET', KEYS[3]) or '0'
if ARGV[1] == '' then return { marker, redis.call('HGETALL', KEYS[1]), redis.call('HGETALL', KEYS[2]) } end
local entries, runs = {}, {}
for i = 2, #ARGV do
  local entry = redis.call('HGET', KEYS[1], ARGV[i])
  if entry then
    entries[#entries + 1] = ARGV[i]
    entries[#entries + 1] = entry
    local run = redis.call('HGET', KEYS[2], ARGV[i])
    if run then
      runs[#runs + 1] = ARGV[i]
      runs[#runs + 1] = run
    end
  end
end
return { marker, entries, runs }
`,
)
