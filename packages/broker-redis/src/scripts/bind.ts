/**
 * Adds a binding as kombu 5.7 does (D57-30): lasting queues also go into the permanent set, which keeps the whole table from
 * being swept; expiring queues push the table's deadline.
 *
 * Guarantee: atomic, so no sweep can see a binding without its deadline.
 *
 * KEYS  1 _kombu.binding.<exchange>, 2 _kombu.binding_permanent.<exchange>, 3 _kombu.binding_deadlines
 * ARGV  1 member, 2 exchange, 3 '' for a lasting queue, else ms until the deadline
 */
import { script, type Script } from '../connection/script.ts'

export const bind: Script = script(
  'bind',
  `
redis.call('SADD', KEYS[1], ARGV[1])
if ARGV[3] == '' then
  redis.call('SADD', KEYS[2], ARGV[1])
else
  local now = redis.call('TIME')
  redis.call('ZADD', KEYS[3], 'GT', string.format('%.0f', now[1] * 1000 + math.floor(now[2] / 1000) + tonumber(ARGV[3])), ARGV[2])
end
return 1
`,
)
