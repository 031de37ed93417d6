/**
 * Reads the entries that were put or removed after a marker, some at a time (S5).
 *
 * Guarantee: one moment. The log of changes counts one up with each; where its oldest needed line is gone, or the marker was moved by somebody who
 * wrote no line, it says so rather than leave something out.
 *
 * KEYS  1 entries, 2 runs, 3 marker, 4 log of changes
 * ARGV  1 the marker, 2 most names
 * Reply marker reached; 1 when there are more; names and JSON of the entries; the same of the runs; names that are gone. 0: it cannot be said
 */
import { script, type Script } from '../connection/script.ts'

export const scheduleChanges: Script = script(
  'schedule-changes',
  `
local marker = redis.call('GET', KEYS[3]) or '0'
if marker == ARGV[1] then return { marker, 0, {}, {}, {} } end
local since, reached = tonumber(ARGV[1]), tonumber(marker)
local count = since and reached and reached - since
if not count or count < 0 or count > redis.call('LLEN', KEYS[4]) then return 0 end
local oldest = redis.call('LINDEX', KEYS[4], count - 1)
if string.match(oldest, '^%d+') ~= string.format('%.0f', since + 1) then return 0 end
local from = math.max(0, count - tonumber(ARGV[2]))
local entries, runs, gone, seen = {}, {}, {}, {}
for _, line in ipairs(redis.call('LRANGE', KEYS[4], from, count - 1)) do
  local name = string.match(line, '^%d+ (.*)$')
  if not seen[name] then
    seen[name] = true
    local entry = redis.call('HGET', KEYS[1], name)
    if entry then
      entries[#entries + 1] = name
      entries[#entries + 1] = entry
      local run = redis.call('HGET', KEYS[2], name)
      if run then
        runs[#runs + 1] = name
        runs[#runs + 1] = run
      end
    else
      gone[#gone + 1] = name
    end
  end
end
return { string.format('%.0f', since + count - from), from > 0 and 1 or 0, entries, runs, gone }
`,
)
