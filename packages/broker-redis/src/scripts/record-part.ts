/**
 * Lua shared by the scripts that record parts of chords: `record(k, a)`, keys and arguments from `k + 1` and `a + 1`
 * (celery/backends/redis.py 5.7, D57-1…3, D57-7).
 *
 * A task's part counts once, the first value wins; at most one caller holds the claim at a time; nothing is recorded after the chord is done.
 * Parts written by Python, in the old way without `.d` too, are counted. A key of parts that is there keeps its type: where `result_chord_ordered` is not
 * the same in the whole fleet, the first part decides (PAIN-70).
 *
 * What a chord is like is asked once in a script, however many of its parts are recorded there; from then on only the script itself changes it.
 *
 * keys     1 .j, 2 .t, 3 .s, 4 .d, 5 the group document, 6 .c
 * args     1 '1' sorted set or '0' list, 2 score, 3 the part, 4 member of .d, 5 chord ttl in ms ('' none), 6 token, 7 claim life in ms
 * returns  state, count, total or -1: state 0 open, 1 complete and claimed by us, 2 closed; or 3, ms left of the claim of somebody else
 */
export const recordPart: string = `
local chords = {}
local function chordOf(k)
  local parts = KEYS[k + 1]
  local chord = chords[parts]
  if chord then return chord end
  chord = {claim = redis.call('GET', KEYS[k + 6])}
  chords[parts] = chord
  if chord.claim == 'done' then return chord end
  local kind = redis.call('TYPE', parts).ok
  if kind == 'zset' then chord.sorted = true elseif kind == 'list' then chord.sorted = false end
  chord.size = tonumber(redis.call('GET', KEYS[k + 3]) or nil)
  chord.total = chord.size and chord.size + tonumber(redis.call('GET', KEYS[k + 2]) or 0)
  return chord
end
local function record(k, a)
  local parts, token, ttl = KEYS[k + 1], ARGV[a + 6], ARGV[a + 5]
  local chord = chordOf(k)
  if chord.claim == 'done' then return 2, 0, -1 end
  local sorted = chord.sorted
  if sorted == nil then sorted = ARGV[a + 1] == '1' end
  local fresh = redis.call('SADD', KEYS[k + 4], ARGV[a + 4]) == 1
  if fresh then
    chord.sorted = sorted
    if not sorted then chord.count = redis.call('RPUSH', parts, ARGV[a + 3])
    else
      local more = redis.call('ZADD', parts, ARGV[a + 2], ARGV[a + 3])
      chord.count = chord.count and chord.count + more
    end
  end
  if not chord.count then chord.count = sorted and redis.call('ZCARD', parts) or redis.call('LLEN', parts) end
  local count, total = chord.count, chord.total
  if ttl ~= '' and not (fresh and chord.ttl == ttl) then
    for i = 1, 4 do redis.call('PEXPIRE', KEYS[k + i], ttl) end
    local left = redis.call('PTTL', KEYS[k + 5])
    if left >= 0 and left < tonumber(ttl) then redis.call('PEXPIRE', KEYS[k + 5], ttl) end
    if fresh then chord.ttl = ttl end
  end
  if not total then return chord.claim and 2 or 0, count, -1 end
  if count ~= total then return 0, count, total end
  if chord.claim == token or redis.call('SET', KEYS[k + 6], token, 'NX', 'PX', ARGV[a + 7]) then
    chord.claim = token
    return 1, count, total
  end
  return 3, redis.call('PTTL', KEYS[k + 6]), -1
end
`
