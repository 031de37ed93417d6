/**
 * Deletes binding tables of queues that expired long ago (D57-31): those past their deadline that no lasting queue is bound in.
 *
 * Guarantee: atomic; a table that was bound anew meanwhile has a new deadline and stays.
 *
 * KEYS  1 _kombu.binding_deadlines
 * ARGV  1 prefix of the tables, 2 prefix of the permanent sets, 3 most tables
 * Reply number of tables deleted
 *
 * The tables' names come from the data; in a cluster they share the slot of KEYS[1], as all our keys do.
 */
import { script, type Script } from '../connection/script.ts'

export const sweepBindings: Script = script(
  'sweep-bindings',
  `
local now = redis.call('TIME')
local overdue = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', string.format('%.0f', now[1] * 1000), 'LIMIT', 0, ARGV[3])
local deleted = 0
for i = 1, #overdue do
  if redis.call('EXISTS', ARGV[2] .. overdue[i]) == 0 then deleted = deleted + redis.call('DEL', ARGV[1] .. overdue[i]) end
  redis.call('ZREM', KEYS[1], overdue[i])
end
return deleted
`,
)
