import { Redis } from 'ioredis'
import { type Contestant, timed } from '../contestant.ts'

/**
 * The limit: the least that any worker on this wire must do, with ioredis and nothing else. One script settles a finished batch (result unless a
 * SUCCESS stands there, notification, ack) and claims the next; two batches in flight. Messages, unacked bookkeeping and result documents
 * are Celery's own; there is no routing, no request, no trace, no limits, no events.
 */
const script = `
local n = (#ARGV - 3) / 3
if n > 0 then
  local tags = {}
  for i = 0, n - 1 do
    local key, document = ARGV[4 + i * 3], ARGV[5 + i * 3]
    if redis.call('GETRANGE', key, 0, 19) ~= '{"status": "SUCCESS"' then
      redis.call('SET', key, document, 'EX', 86400)
      redis.call('PUBLISH', key, document)
    end
    tags[#tags + 1] = ARGV[6 + i * 3]
  end
  redis.call('ZREM', KEYS[3], unpack(tags))
  redis.call('HDEL', KEYS[2], unpack(tags))
end
local claim = tonumber(ARGV[1])
if claim == 0 then return {} end
local messages = redis.call('RPOP', KEYS[1], claim)
if not messages then return {} end
local scores, held = {}, {}
for i, message in ipairs(messages) do
  local tag = ARGV[3] .. i
  scores[#scores + 1] = ARGV[2]
  scores[#scores + 1] = tag
  held[#held + 1] = tag
  held[#held + 1] = '[' .. message .. ', "", "celery"]'
end
redis.call('ZADD', KEYS[3], unpack(scores))
redis.call('HSET', KEYS[2], unpack(held))
return messages
`

const batch = 150

interface Envelope {
  readonly body: string
  readonly headers: { readonly id: string }
}

function envelope(n: number): string {
  const id = crypto.randomUUID()
  const body = Buffer.from(
    `[[${n}, 1], {}, {"callbacks": null, "errbacks": null, "chain": null, "chord": null}]`,
  ).toString('base64')
  return JSON.stringify({
    body,
    'content-encoding': 'utf-8',
    'content-type': 'application/json',
    headers: {
      lang: 'js',
      task: 'bench.add',
      id,
      shadow: null,
      eta: null,
      expires: null,
      group: null,
      group_index: null,
      retries: 0,
      timelimit: [null, null],
      root_id: id,
      parent_id: null,
      argsrepr: `(${n}, 1)`,
      kwargsrepr: '{}',
      origin: 'gen1@bench',
      ignore_result: false,
      replaced_task_nesting: 0,
      stamped_headers: null,
      stamps: {},
    },
    properties: {
      correlation_id: id,
      reply_to: id,
      delivery_mode: 2,
      delivery_info: { exchange: '', routing_key: 'celery' },
      priority: 0,
      body_encoding: 'base64',
      delivery_tag: crypto.randomUUID(),
    },
  })
}

export const bareLoop: Contestant = {
  name: 'bare loop',
  about: `ioredis, one script that settles and claims, batches of ${batch}, two in flight: the limit on this wire`,
  concurrencies: [batch],

  async fill(redisUrl, tasks) {
    const redis = new Redis(redisUrl)
    for (let n = 0; n < tasks; n += 1000) {
      await redis.lpush(
        'celery',
        ...Array.from({ length: Math.min(1000, tasks - n) }, (_, i) => envelope(n + i)),
      )
    }
    await redis.quit()
  },

  async drain(redisUrl, tasks) {
    const redis = new Redis(redisUrl)
    await redis.ping()
    const sha = (await redis.script('LOAD', script)) as string
    let done = 0
    let turn = 0
    const lane = async (): Promise<void> => {
      let settle: string[] = []
      for (;;) {
        const prefix = `${process.pid}-${turn++}-`
        const args = [String(batch), String(Date.now() / 1000), prefix, ...settle]
        const messages = (await redis.evalsha(
          sha,
          3,
          'celery',
          'unacked',
          'unacked_index',
          ...args,
        )) as string[]
        done += settle.length / 3
        settle = []
        messages.forEach((text, index) => {
          const message = JSON.parse(text) as Envelope
          const [args0] = JSON.parse(Buffer.from(message.body, 'base64').toString()) as [[number, number]]
          const value = args0[0] + args0[1]
          const id = message.headers.id
          settle.push(
            `celery-task-meta-${id}`,
            `{"status": "SUCCESS", "result": ${JSON.stringify(value)}, "traceback": null, "children": [], "date_done": "${new Date().toISOString().slice(0, -1)}+00:00", "task_id": "${id}"}`,
            `${prefix}${index + 1}`,
          )
        })
        if (messages.length === 0) return
      }
    }
    const result = await timed(async () => {
      await Promise.all([lane(), lane()])
    })
    if (done !== tasks) throw new Error(`the bare loop worked ${done} of ${tasks} tasks`)
    await redis.quit()
    return result
  },
}
