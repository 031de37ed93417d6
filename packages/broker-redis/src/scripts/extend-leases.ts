/**
 * Renews the lease of held messages.
 *
 * Guarantee: atomic; only entries that still exist are touched, so nothing that was restored comes back to life.
 *
 * KEYS  1 unacked_index
 * ARGV  tags
 * Reply indexes (from 1) of the tags that are gone
 */
import { script, type Script } from '../connection/script.ts'

export const extendLeases: Script = script(
  'extend-leases',
  `
local now = redis.call('TIME')
local score = now[1] .. '.' .. string.format('%06d', now[2])
local held = redis.call('ZMSCORE', KEYS[1], unpack(ARGV))
local gone, renewed = {}, {}
for i = 1, #ARGV do
  if held[i] then
    renewed[#renewed + 1] = score
    renewed[#renewed + 1] = ARGV[i]
  else
    gone[#gone + 1] = i
  end
end
if #renewed > 0 then redis.call('ZADD', KEYS[1], 'XX', unpack(renewed)) end
return gone
`,
)
