/**
 * Puts overdue messages back to the front of their queues.
 *
 * Guarantee: atomic per message. One that was renewed, settled or restored since it was looked at is left alone; one goes out of `unacked`
 * and into its lists in the same step; one that a list does not take (its key is something else) stays, and hinders no other. The lock is given back
 * if it is still ours.
 *
 * KEYS  1 unacked_index, 2 unacked, 3 unacked_mutex; then the lists, in the order of ARGV
 * ARGV  1 cutoff score, 2 lock token, 3 '1' to give the lock back; then per message: tag, number of lists, text;
 *       number of lists 0 with a text: no binding wants it, look again later (the text is the new score);
 *       0 and no text: the entry is missing from the hash, forget it
 * Reply number of messages put back, or the error of a list that took none
 */
import { script, type Script } from '../connection/script.ts'

export const restoreOverdue: Script = script(
  'restore-overdue',
  `
local cutoff, k, restored, problem = tonumber(ARGV[1]), 3, 0, false
local a = 3
while a < #ARGV do
  local tag, lists, text = ARGV[a + 1], tonumber(ARGV[a + 2]), ARGV[a + 3]
  a = a + 3
  local score = redis.call('ZSCORE', KEYS[1], tag)
  if score and tonumber(score) <= cutoff then
    if lists == 0 and text ~= '' then
      redis.call('ZADD', KEYS[1], 'XX', text, tag)
    else
      local held, refused = redis.call('HEXISTS', KEYS[2], tag) == 1, false
      if held then
        for i = 1, lists do
          local reply = redis.pcall('RPUSH', KEYS[k + i], text)
          if type(reply) == 'table' and reply.err then refused = reply end
        end
      end
      if refused then
        problem = refused
      else
        redis.call('ZREM', KEYS[1], tag)
        redis.call('HDEL', KEYS[2], tag)
        if held and lists > 0 then restored = restored + 1 end
      end
    end
  end
  k = k + lists
end
if ARGV[3] == '1' and redis.call('GET', KEYS[3]) == ARGV[2] then redis.call('DEL', KEYS[3]) end
return problem or restored
`,
)
