/**
 * Lua shared by the scripts that store results: `store(key, ttl, guard, document)`.
 *
 * Writes and publishes a document unless a SUCCESS stands there (R5, B25). What stands there is read by its first bytes, which is how
 * Celery, and ct, write JSON documents. Anything else (compressed, msgpack, yaml, another key order) is left to the client: the
 * function then writes nothing and returns false, and the client, having looked, calls again with the SHA-1 of what it saw as `guard`.
 *
 * ttl: milliseconds as text, '' to keep for good.
 */
export const storeResult: string = `
local function write(key, ttl, document)
  if ttl == '' then redis.call('SET', key, document) else redis.call('SET', key, document, 'PX', ttl) end
  redis.call('PUBLISH', key, document)
  return true
end
local function store(key, ttl, guard, document)
  local fresh
  if ttl == '' then fresh = redis.call('SET', key, document, 'NX') else fresh = redis.call('SET', key, document, 'NX', 'PX', ttl) end
  if fresh then
    redis.call('PUBLISH', key, document)
    return true
  end
  local head = redis.pcall('GETRANGE', key, 0, 19)
  if type(head) ~= 'string' then return write(key, ttl, document) end
  if head == '{"status": "SUCCESS"' or string.sub(head, 1, 19) == '{"status":"SUCCESS"' then return true end
  if string.sub(head, 1, 12) == '{"status": "' or string.sub(head, 1, 11) == '{"status":"' then return write(key, ttl, document) end
  if guard ~= '' and redis.sha1hex(redis.call('GET', key)) == guard then return write(key, ttl, document) end
  return false
end
`
