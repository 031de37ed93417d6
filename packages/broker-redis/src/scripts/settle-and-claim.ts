/**
 * One step of a consumer: settles what is finished and takes what is next.
 *
 * Guarantee: atomic. A message is at every moment in its list, in `unacked`, in `<queue>.parked`, or settled; a result and the ack of its
 * task take effect together (B25), and with them what follows from the task (B27, B28); a message that is not ours any more is not put back a second time.
 *
 * KEYS  1 unacked, 2 unacked_index, 3 starts; then the keys of results, parts and messages in the order of ARGV; then a list per move; then the lists to take
 *       from: all queues at the first step, all at the second, …
 * ARGV  1 P acks with one result each, 2 their ttl, 3 G settlements with results, 4 A acks without, 5 F start counts to forget, 6 M moves,
 *       7 wanted, 8 Q queues, 9 S steps, 10 '1' to empty one queue before the next, 11 tag prefix, 12 tag base; then
 *       P × tag, document
 *       G × tag ('' when nothing is filed), number of results, 1 with a part of a chord, number of messages; per result: ttl, guard, document; of the
 *           part what `record-part.ts` takes; per message: text, ms of life of its list or 0, length of the tail or 0, tag or ''. With a tail the text
 *           is the entry of `unacked` that it becomes when it is taken from its list in this step: '[', the item, the tail. With a tag the client
 *           has handed it out already: it is filed under that tag, whatever waits
 *       A × tag
 *       F × tag ('' when nothing is filed), message id: forgotten if it is ours; a run whose lease ran out says nothing about the next
 *       M × tag ('' when nothing is filed), 'L' back or 'R' front of the list, text ('' the item as it was taken), length of the tail
 *       Q × tail (what follows the item in its unacked entry; '' to forget the item at once), parked list
 * Reply {undecided, malformed, problem, taken, recorded, unfiled}
 *       undecided: indexes into P and G, counted through, whose stored document the client must look at; nothing of them was done
 *       malformed: queue index, item, … (already moved to the parked list)
 *       problem: an error text, when a list could not be read
 *       taken: queue index, items, …; the i-th filed item has the tag prefix .. (base + i). A number is one of the messages that were handed over,
 *           counted through from 1
 *       recorded: index into P and G, and the three numbers of `record-part.ts`, for each part
 *       unfiled: messages with a tag, counted through from 1, that are not published, as their task is somebody else's
 *       or, of a hop, a number: the queue from which the one message that came along was taken, 0 when none was; with a tag -1 when it is unfiled
 *
 * Items are told from rubbish by their shape, not decoded: that costs 0.3 µs instead of 5, and what only looks like an
 * envelope the client parks as soon as it has tried to read it. The tag is our own, so no content can confuse it.
 *
 * What follows from a task is nearly always what is taken next. While none of the lists that are taken from exists, a message for one of them
 * would be pushed to be popped again, and the client has its text: it stays where it is in ARGV, and only its number is answered. Redis' Lua
 * hashes every byte of every string it makes (a microsecond for a kilobyte), so that the text of a long chain is made a string once, as an argument,
 * and not three times more.
 */
import type { Buffer } from 'node:buffer'
import { script, type Script } from '../connection/script.ts'
import { recordPart } from './record-part.ts'
import { storeResult } from './store-result.ts'

/** What is replied to a step. */
export type StepReply = [
  undecided: number[],
  malformed: (number | Buffer)[],
  problem: Buffer | null,
  taken: (number | (Buffer | number)[])[],
  recorded: number[],
  unfiled: number[],
]

/** Of a step that brought one message and nothing else: the queue from which it was taken; 0: it was not, or is handed out; -1: it should not have been. */
export function replyOfHop(queue: number): StepReply {
  return [[], [], null, queue > 0 ? [queue, [1]] : [], [], queue < 0 ? [1] : []]
}

export const settleAndClaim: Script = script(
  'settle-and-claim',
  `
local unacked, index, starts = KEYS[1], KEYS[2], KEYS[3]

-- A hop: one result, one message, nothing else, and nothing waits. As below, where it is one case of many.
if ARGV[3] == '1' and ARGV[16] == '1' and ARGV[14] == '1' and ARGV[22] ~= '0' and ARGV[13] ~= '' and ARGV[15] == '0' and ARGV[1] == '0'
  and ARGV[4] == '0' and ARGV[5] == '0' and ARGV[6] == '0' and ARGV[7] ~= '0' and #KEYS < 1000 then
  local q, its = nil, ARGV[23]
  if its == '' then
    for i = 6, #KEYS do
      if KEYS[i] == KEYS[5] then q = (i - 6) % tonumber(ARGV[8]) + 1 end
    end
  else q = 0 end
  -- The result, and the lists.
  if q and redis.call('EXISTS', unpack(KEYS, 4)) == 0 then
    local tag = ARGV[13]
    if ARGV[17] == '' then redis.call('SET', KEYS[4], ARGV[19]) else redis.call('SET', KEYS[4], ARGV[19], 'PX', ARGV[17]) end
    redis.call('PUBLISH', KEYS[4], ARGV[19])
    if redis.call('ZREM', index, tag) == 0 then return its == '' and 0 or -1 end
    redis.call('HDEL', unacked, tag)
    local now = redis.call('TIME')
    tag = its == '' and ARGV[11] .. (tonumber(ARGV[12]) + 1) or its
    redis.call('HSET', unacked, tag, ARGV[20])
    redis.call('ZADD', index, now[1] .. '.' .. string.format('%06d', now[2]), tag)
    return q
  end
end

local P, ttl, G, A = tonumber(ARGV[1]), ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local F, M = tonumber(ARGV[5]), tonumber(ARGV[6])
local left, Q, S = tonumber(ARGV[7]), tonumber(ARGV[8]), tonumber(ARGV[9])
local k, a = 3, 12
local undecided, malformed, problem, taken, recorded, unfiled = {}, {}, false, {}, {}, {}
local lists, sent, idle, kept, places = #KEYS - S * Q, 0, nil, {}, {}

${storeResult}
${recordPart}

-- What is kept is pushed in the end, unless it is taken before. With moves among the settlements the order of the lists is theirs to say.
local function push(key, at)
  local text, tail = ARGV[at + 1], ARGV[at + 3]
  redis.call('LPUSH', key, tail == '0' and text or string.sub(text, 2, -(tail + 1)))
  if ARGV[at + 2] ~= '0' then redis.call('PEXPIRE', key, ARGV[at + 2]) end
end
local function send(n, key, at)
  if ARGV[at + 4] ~= '' then
    local now = redis.call('TIME')
    redis.call('HSET', unacked, ARGV[at + 4], ARGV[at + 1])
    return redis.call('ZADD', index, now[1] .. '.' .. string.format('%06d', now[2]), ARGV[at + 4])
  end
  if idle == nil then
    idle = left > 0 and M == 0 and S * Q > 0 and S * Q <= 1000 and redis.call('EXISTS', unpack(KEYS, lists + 1)) == 0
  end
  if not idle then return push(key, at) end
  local own = kept[key]
  if own then own[#own + 1] = n else kept[key] = {n, from = 1} end
  places[n] = at
end

local tags, ours = {}, {}
for p = 1, P do
  if store(KEYS[k + p], ttl, '', ARGV[a + 2]) then tags[#tags + 1] = ARGV[a + 1] else undecided[#undecided + 1] = p end
  a = a + 2
end
k = k + P
for g = 1, G do
  local tag, count, done = ARGV[a + 1], tonumber(ARGV[a + 2]), true
  local part, messages, held = ARGV[a + 3] == '1', tonumber(ARGV[a + 4]), false
  a = a + 4
  for r = 1, count do
    if not store(KEYS[k + r], ARGV[a + 1], ARGV[a + 2], ARGV[a + 3]) then done = false end
    a = a + 3
  end
  k = k + count
  if part then
    if done then
      local ok, state, n, total = pcall(record, k, a)
      -- Keys of another type, say. Recorded by itself, it fails by itself.
      if not ok then state, n, total = 3, 0, -1 end
      local at = #recorded
      recorded[at + 1], recorded[at + 2], recorded[at + 3], recorded[at + 4] = P + g, state, n, total
      held = state == 1 or state == 3
    end
    k, a = k + 6, a + 7
  end
  local follows = messages > 0 and done and not held
  if follows and tag ~= '' then
    follows = redis.call('ZREM', index, tag) == 1
    if follows then redis.call('HDEL', unacked, tag) end
    ours[tag] = follows
  end
  for m = 1, messages do
    sent = sent + 1
    -- It runs already: whatever is still to be decided of its task's result, it is held, or somebody else's.
    local out = ARGV[a + 4] ~= ''
    if follows or out and not done and redis.call('ZSCORE', index, tag) then send(sent, KEYS[k + m], a)
    elseif out then unfiled[#unfiled + 1] = sent end
    a = a + 4
  end
  k = k + messages
  if not done then undecided[#undecided + 1] = P + g elseif not held and tag ~= '' and not ours[tag] then tags[#tags + 1] = tag end
end
for i = 1, A do tags[#tags + 1] = ARGV[a + i] end
a = a + A
for f = 1, F do
  local tag = ARGV[a + 1]
  if tag == '' or ours[tag] or redis.call('ZSCORE', index, tag) then redis.call('HDEL', starts, ARGV[a + 2]) end
  a = a + 2
end
if #tags > 0 then
  redis.call('ZREM', index, unpack(tags))
  redis.call('HDEL', unacked, unpack(tags))
end
for m = 1, M do
  local tag, side, text, tail = ARGV[a + 1], ARGV[a + 2], ARGV[a + 3], tonumber(ARGV[a + 4])
  a = a + 4
  k = k + 1
  if tag == '' or redis.call('ZREM', index, tag) == 1 then
    if text == '' then
      local entry = redis.call('HGET', unacked, tag)
      text = entry and string.sub(entry, 2, -(tail + 1))
    end
    if tag ~= '' then redis.call('HDEL', unacked, tag) end
    if text then redis.call(side == 'L' and 'LPUSH' or 'RPUSH', KEYS[k], text) end
  end
end
if left <= 0 or Q == 0 then return {undecided, malformed, problem, taken, recorded, unfiled} end

local strict, prefix, base = ARGV[10] == '1', ARGV[11], tonumber(ARGV[12])
local find, byte = string.find, string.byte
local entries, scores, filed = {}, {}, 0
local now = redis.call('TIME')
local score = now[1] .. '.' .. string.format('%06d', now[2])

-- Properties come last: what is to be found there is looked for there first.
local function has(item, name)
  return find(item, name, -512, true) or find(item, name, 1, true)
end

local function file(entry)
  filed = filed + 1
  local tag = prefix .. (base + filed)
  entries[2 * filed - 1], entries[2 * filed] = tag, entry
  scores[2 * filed - 1], scores[2 * filed] = score, tag
end

-- What was kept: in these lists is nothing else.
local function takeKept(key, q, share)
  local own, good = kept[key], {}
  if not own then return 0 end
  local tail = ARGV[a + 2 * q - 1]
  while #good < share and own[own.from] do
    local n = own[own.from]
    own.from = own.from + 1
    local text, its = ARGV[places[n] + 1], ARGV[places[n] + 3]
    if tail ~= '' then file(its == '0' and '[' .. text .. tail or text) end
    good[#good + 1] = n
  end
  if #good > 0 then
    taken[#taken + 1] = q
    taken[#taken + 1] = good
  end
  left = left - #good
  return #good
end

local function take(key, q, share)
  if idle then return takeKept(key, q, share) end
  local items = redis.pcall('RPOP', key, share)
  if not items then return 0 end
  if items.err then
    problem = key .. ': ' .. items.err
    return 0
  end
  local tail, good = ARGV[a + 2 * q - 1], {}
  for i = 1, #items do
    local item = items[i]
    if byte(item, 1) == 123 and byte(item, -1) == 125 and find(item, '"headers"', 1, true)
      and has(item, '"properties"') and has(item, '"delivery_info"') then
      good[#good + 1] = item
      if tail ~= '' then file('[' .. item .. tail) end
    else
      redis.call('LPUSH', ARGV[a + 2 * q], item)
      malformed[#malformed + 1] = q
      malformed[#malformed + 1] = item
    end
  end
  left = left - #items
  if #good > 0 then
    taken[#taken + 1] = q
    taken[#taken + 1] = good
  end
  return #items
end

for s = 1, S do
  local more = {}
  for q = 1, Q do
    if left <= 0 then break end
    local share = strict and left or math.ceil(left / (Q - q + 1))
    if take(KEYS[k + (s - 1) * Q + q], q, share) == share then more[#more + 1] = q end
  end
  for i = 1, #more do
    if left <= 0 then break end
    take(KEYS[k + (s - 1) * Q + more[i]], more[i], left)
  end
  if left <= 0 then break end
end
for key, own in pairs(kept) do
  for i = own.from, #own do push(key, places[own[i]]) end
end
if filed > 0 then
  redis.call('HSET', unacked, unpack(entries))
  redis.call('ZADD', index, unpack(scores))
end
return {undecided, malformed, problem, taken, recorded, unfiled}
`,
)
