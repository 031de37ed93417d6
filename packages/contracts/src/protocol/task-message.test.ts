import { describe, expect, it } from 'vitest'
import { caught, recorded } from '../../test/fixtures.ts'
import { CompressorRegistry } from '../compression/index.ts'
import { ContentDisallowedError, DecodeError, InvalidMessageError } from '../errors.ts'
import { decodeJson, encodeJson, float, RawJson, SerializerRegistry } from '../serialization/index.ts'
import type { Serializer } from '../serializer.ts'
import {
  buildTaskMessage,
  decodeEnvelope,
  encodeEnvelope,
  readSignature,
  readTaskBody,
  readTaskEmbed,
  readTaskMessage,
  resendableHeaders,
  nextOfChain,
  stepsOfChain,
} from './index.ts'
import type { MessageCodecs, TaskMessageInput, TaskMessageOptions } from './index.ts'

const serializers = new SerializerRegistry()
const compressors = new CompressorRegistry()
const codecs: MessageCodecs = {
  serializers,
  compressors,
  accept: serializers.accept(['json']),
  maxBytes: 1_000_000,
}
const id = '41b1c752-31fe-4c53-aa75-cdc1a6582df5'
const replyTo = 'eacd0f79-baa2-35e4-8556-20d6e0c44a40'
const base = { task: 'proj.add', id, origin: 'gen1@host', replyTo, properties: { origin: 'gen1@host' } }
const now = Date.parse('2024-05-01T10:00:00.123Z')

function tagOf(envelope: string): string {
  return decodeEnvelope(envelope).deliveryTag ?? ''
}

/** What ct puts on Redis for an input, under the tag of the recorded message. */
function ours(input: Partial<TaskMessageInput>, like: string, options: TaskMessageOptions = {}): string {
  const message = buildTaskMessage({ ...base, ...input }, { nowMs: now, ...options })
  return encodeEnvelope(message, { exchange: '', routingKey: 'celery', deliveryTag: tagOf(like) })
}

function only(name: string): string {
  const [envelope] = recorded(name)
  return envelope!
}

function open(envelope: string): ReturnType<typeof readTaskMessage> {
  return readTaskMessage(decodeEnvelope(envelope), codecs)
}

describe('task messages, byte for byte as Celery 5.7 sends them', () => {
  it('WIRE-1 WIRE-6 WIRE-9 WIRE-20 D57-17: by name', () => {
    expect(ours({ args: [2, 2] }, only('by-name'))).toBe(only('by-name'))
  })

  it('WIRE-5: keyword arguments', () => {
    expect(ours({ kwargs: { x: 1.5, y: 'h\u00e9' }, ignoreResult: false }, only('kwargs'))).toBe(
      only('kwargs'),
    )
  })

  it('WIRE-4 WIRE-9: expires, also as the expiration property', () => {
    // Python's clock counts microseconds, ours milliseconds; text is passed on as it is.
    expect(ours({ args: [2, 2], expires: '2024-05-01T10:01:00.123456+00:00' }, only('expires'))).toBe(
      only('expires'),
    )
    expect(buildTaskMessage({ ...base, expires: now - 1 }, { nowMs: now }).properties.expiration).toBe('0')
    expect(buildTaskMessage({ ...base, expires: new Date(now + 1500) }, { nowMs: now })).toMatchObject({
      headers: { expires: '2024-05-01T10:00:01.623000+00:00' },
      properties: { expiration: '1500' },
    })
  })

  it('WIRE-4: eta, aware and naive', () => {
    expect(ours({ args: [2, 2], eta: '2024-05-01T10:00:03.123456+00:00' }, only('eta'))).toBe(only('eta'))
    expect(ours({ args: [2, 2], eta: '2030-01-01T00:00:00' }, only('naive'))).toBe(only('naive'))
  })

  it('WIRE-1 TASK-146 D57-19: every header, stamps and user headers', () => {
    const input: Partial<TaskMessageInput> = {
      args: [
        decodeJson('{"__type__": "datetime", "__value__": "2024-05-01T10:00:00.123456+00:00"}'),
        Uint8Array.of(255),
        null,
        true,
      ],
      kwargs: { k: [1, { n: 2 }] },
      headers: { foo: 1, trace: { a: [] } },
      stampedHeaders: ['stamp'],
      stamps: { stamp: ['s1'], other: 1 },
      shadow: 'shown',
      priority: 3,
      timeLimit: 30,
      softTimeLimit: 10.5,
      group: 'G',
      groupIndex: 2,
      rootId: 'R',
      parentId: 'P',
      retries: 1,
      ignoreResult: true,
      replacedTaskNesting: 1,
      argsrepr: '(hidden)',
      kwargsrepr: '{hidden}',
      properties: { argsrepr: '(hidden)', kwargsrepr: '{hidden}', origin: 'gen1@host' },
    }
    expect(ours(input, only('all'))).toBe(only('all'))
  })

  it('SEC-35: compressed', () => {
    // The bytes of a zlib stream depend on the library; all around them must be the same.
    const bodyOf = (envelope: string): string => /^\{"body": "([^"]*)"/.exec(envelope)![1]!
    const mine = ours({ args: [2, 2] }, only('zlib'), { compression: { name: 'gzip', compressors } })
    expect(mine.replace(bodyOf(mine), bodyOf(only('zlib')))).toBe(only('zlib'))
    expect(readTaskBody(open(mine), codecs).args).toEqual([2, 2])
  })

  it('WIRE-6: links', () => {
    const signature = (args: unknown[], immutable = false): never =>
      ({ task: 'proj.add', args, kwargs: {}, options: {}, subtask_type: null, immutable }) as never
    const input = {
      args: [1, 2],
      ignoreResult: false,
      callbacks: [signature([3])],
      errbacks: [signature([4], true), signature([])],
    }
    expect(ours(input, only('link'))).toBe(only('link'))
  })

  it('WIRE-7: a received chain is sent on with its source text, 1.0 included', () => {
    const body = readTaskBody(open(only('chain')), codecs)
    expect(stepsOfChain(body.embed.chain!)).toHaveLength(2)
    const { next: source, rest } = nextOfChain(body.embed.chain!)
    const next = readSignature(source)
    expect(next).toMatchObject({
      task: 'proj.add',
      kwargs: {},
      options: { reply_to: replyTo },
      subtask_type: null,
      immutable: false,
    })
    const message = buildTaskMessage({
      ...base,
      args: [3, ...next.args],
      chain: rest!,
    })
    expect(Buffer.from(message.body).toString()).toContain(
      '[[3, 3], {}, {"callbacks": null, "errbacks": null, "chain": [{"task": "proj.add", "args": [1.0], "kwargs"',
    )
    expect(message.headers['argsrepr']).toBe('(3, 3)')
  })

  it('TASK-96: the arguments of a retry keep their source text', () => {
    const text =
      '[[1.0, 12345678901234567890, {"b":1,"2":NaN}], {"x": -0.0}, {"callbacks": null, "errbacks": null, "chain": null, "chord": null}]'
    const message = buildTaskMessage({ ...base, args: [] })
    const body = readTaskBody({ ...readTaskMessage(message, codecs), body: Buffer.from(text) }, codecs)
    const again = buildTaskMessage({
      ...base,
      args: body.argsSource as RawJson,
      kwargs: body.kwargsSource as RawJson,
    })
    expect(Buffer.from(again.body).toString()).toBe(text)
  })
})

describe('buildTaskMessage refuses what would kill a Python worker', () => {
  it.each([
    ['id', { id: '' }],
    ['id', { id: 5 }],
    ['task', { task: '' }],
    ['args', { args: 'abc' }],
    ['args', { args: RawJson.from('{}') }],
    ['kwargs', { kwargs: [] }],
    ['kwargs', { kwargs: new Map() }],
    ['eta', { eta: 'soon' }],
    ['eta', { eta: NaN }],
    ['expires', { expires: '' }],
    ['retries', { retries: -1 }],
    ['retries', { retries: 1.5 }],
    ['groupIndex', { groupIndex: NaN }],
    ['timeLimit', { timeLimit: -1 }],
    ['softTimeLimit', { softTimeLimit: Infinity }],
    ['id', { headers: { id: 5 } }],
    ['timelimit', { headers: { timelimit: [5] } }],
  ])('%s: %o', (reason, input) => {
    expect(
      caught(() => buildTaskMessage({ ...base, ...input } as never), InvalidMessageError)?.details['reason'],
    ).toBe(reason)
  })

  it('a value that cannot be encoded says where it is', () => {
    expect(() => buildTaskMessage({ ...base, kwargs: { a: [new Set()] } })).toThrow(
      /\[1\]\.a\[0\]: it is a Set/,
    )
  })
})

describe('readTaskMessage', () => {
  it('WIRE-1: reads every header', () => {
    const message = open(only('all'))
    expect(message).toMatchObject({
      protocol: 2,
      task: 'proj.add',
      id,
      shadow: 'shown',
      group: 'G',
      groupIndex: 2,
      retries: 1,
      timeLimit: 30,
      softTimeLimit: 10.5,
      rootId: 'R',
      parentId: 'P',
      argsrepr: '(hidden)',
      kwargsrepr: '{hidden}',
      origin: 'gen1@host',
      lang: 'py',
      ignoreResult: true,
      replacedTaskNesting: 1,
      stampedHeaders: ['stamp'],
      stamps: { stamp: ['s1'] },
      correlationId: id,
      replyTo,
      priority: 3,
      etaMs: null,
      expiresMs: null,
    })
    expect(message.customHeaders).toEqual({ foo: 1, trace: { a: [] } })
    expect(open(only('by-name')).customHeaders).toBeNull()
    expect(open(only('by-name')).ignoreResult).toBeNull()
    expect(open(only('eta')).etaMs).toBe(Date.parse('2024-05-01T10:00:03.123Z'))
    expect(open(only('naive')).etaMs).toBe(Date.parse('2030-01-01T00:00:00Z'))
  })

  it('WIRE-6: reads the bodies', () => {
    expect(readTaskBody(open(only('by-name')), codecs)).toMatchObject({
      args: [2, 2],
      kwargs: {},
      embed: { callbacks: null, chain: null, chord: null },
    })
    expect(readTaskBody(open(only('zlib')), codecs).args).toEqual([2, 2])
    const link = readTaskBody(open(only('link')), codecs).embed
    expect(
      link.callbacks?.map((source) => readSignature(source).args.map((arg) => (arg as RawJson).decode())),
    ).toEqual([[3]])
    expect(link.errbacks?.map((source) => readSignature(source).immutable)).toEqual([true, false])
    expect(readTaskEmbed(open(only('link')), codecs)).toEqual(link)
    expect(readTaskEmbed(open(only('by-name')), codecs)).toEqual({
      callbacks: null,
      errbacks: null,
      chain: null,
      chord: null,
    })
    expect(recorded('group').map((envelope) => open(envelope).groupIndex)).toEqual([0, 1])
  })

  it('WIRE-12, WORK-76: protocol 1', () => {
    const message = open(only('protocol-1'))
    expect(message).toMatchObject({
      protocol: 1,
      task: 'proj.add',
      id,
      argsrepr: '(1, 2)',
      kwargsrepr: "{'z': 3}",
      group: null,
      retries: 0,
      timeLimit: null,
      rootId: null,
      expiresMs: Date.parse('2024-05-01T10:01:00.123Z'),
      ignoreResult: null,
      customHeaders: null,
    })
    const body = readTaskBody(message, codecs)
    expect(body).toMatchObject({ args: [1, 2], kwargs: { z: 3 }, argsSource: [1, 2] })
    expect(readSignature(body.embed.callbacks![0]).args).toEqual([3])
    expect(body.embed.chain).toBeNull()
    const old = readTaskMessage(
      {
        ...bare,
        headers: { mine: 1 },
        body: Buffer.from('{"task": "t", "id": "i", "group": "a", "taskset": "b"}'),
      },
      codecs,
    )
    expect(old).toMatchObject({ group: 'b', customHeaders: { mine: 1 } })
    expect(readTaskBody(old, codecs)).toMatchObject({ args: [], kwargs: {} })
  })

  it('WORK-76: hybrids: fields in the body, overlaid with the headers', () => {
    const body =
      '{"task": "no", "id": "x", "args": [1], "kwargs": {"a": 2}, "retries": 3, "eta": "2024-05-01", "callbacks": null}'
    for (const encode of [
      (text: string) => ({ body: Buffer.from(text), headers: {} }),
      (text: string) => {
        const { body: bytes, compression } = compressors.compress(Buffer.from(text), 'zstd')
        return { body: bytes, headers: { compression } }
      },
    ]) {
      const { body: bytes, headers } = encode(body)
      const message = readTaskMessage(
        { ...bare, headers: { task: 't', id: 'i', ...headers }, body: bytes },
        codecs,
      )
      expect(message).toMatchObject({
        protocol: 2,
        task: 't',
        id: 'i',
        retries: 3,
        etaMs: Date.parse('2024-05-01T00:00:00Z'),
      })
      expect(readTaskBody(message, codecs)).toMatchObject({ args: [1], kwargs: { a: 2 } })
    }
  })

  it('WIRE-1: missing headers are tolerated, task and id suffice', () => {
    const message = readTaskMessage(
      { ...bare, headers: { task: 't', id: 'i' }, body: Buffer.from(' [[], {}, null] ') },
      codecs,
    )
    expect(message).toMatchObject({
      retries: 0,
      timeLimit: null,
      ignoreResult: null,
      correlationId: 'i',
      stamps: {},
      argsrepr: '',
    })
    expect(readTaskBody(message, codecs).embed.chain).toBeNull()
  })

  it('other serializers: links are decoded values', () => {
    const v8: Serializer = {
      name: 'other',
      contentType: 'application/x-other',
      contentEncoding: 'binary',
      encode: (value) => Buffer.from(encodeJson(value)),
      decode: (bytes) => decodeJson(Buffer.from(bytes).toString()),
    }
    const own = new SerializerRegistry([v8])
    const other: MessageCodecs = { ...codecs, serializers: own, accept: own.accept(['other']) }
    const chain = [RawJson.from('{"task": "next", "args": [1.0], "kwargs": {}, "options": {}}')]
    const built = buildTaskMessage({ ...base, args: [RawJson.from('[1]')], chain }, { serializer: v8 })
    const body = readTaskBody(readTaskMessage(built, other), other)
    expect(body).toMatchObject({ args: [[1]], embed: { chain: [{ task: 'next', args: [1] }] } })
    expect(body.argsSource).toBe(body.args)
    expect(() => readTaskBody(readTaskMessage(built, codecs), codecs)).toThrow(ContentDisallowedError)
  })

  it('SEC-1: the accept list holds for JSON too', () => {
    const none: MessageCodecs = { ...codecs, accept: serializers.accept(['text/plain']) }
    const message = readTaskMessage(decodeEnvelope(only('by-name')), none)
    expect(() => readTaskBody(message, none)).toThrow(ContentDisallowedError)
    expect(() => readTaskEmbed(message, none)).toThrow(ContentDisallowedError)
  })

  it('decompression is bounded by the codecs', () => {
    const tight: MessageCodecs = { ...codecs, maxBytes: 10 }
    expect(() => readTaskBody(readTaskMessage(decodeEnvelope(only('zlib')), tight), tight)).toThrow(
      DecodeError,
    )
  })

  it('TASK-96: dead-letter headers are not sent again', () => {
    expect(
      resendableHeaders({ task: 't', mine: 1, 'x-death': [], 'x-last-death-queue': 'q', redelivered: true }),
    ).toEqual({ mine: 1 })
    expect(resendableHeaders({ task: 't', 'x-death': [] })).toBeNull()
  })
})

const bare = { contentType: 'application/json', contentEncoding: 'utf-8', properties: {} }

describe('readSignature', () => {
  it('SIG-9: opens one level and keeps the members as text', () => {
    const text =
      '{"task": "t", "args": [1.0, {"a": 1}], "kwargs": {"k": 2.0, "__proto__": 3}, "options": {"task_id": "x", "link": [{"task": "l", "args": [1.0]}], "queue": "q"}, "subtask_type": "chord", "immutable": true, "chord_size": 2, "extra": 1}'
    const signature = readSignature(RawJson.from(text))
    expect(signature).toMatchObject({
      task: 't',
      options: { task_id: 'x', queue: 'q' },
      subtask_type: 'chord',
      immutable: true,
      chord_size: 2,
    })
    expect(Object.getPrototypeOf(signature.kwargs)).toBe(Object.prototype)
    expect(encodeJson([signature.args, signature.kwargs, signature.options.link])).toBe(
      '[[1.0, {"a": 1}], {"k": 2.0, "__proto__": 3}, [{"task": "l", "args": [1.0]}]]',
    )
    expect(readSignature({ task: 't', options: { link: { task: 'l' } } })).toEqual({
      task: 't',
      args: [],
      kwargs: {},
      options: { link: [{ task: 'l' }] },
      subtask_type: null,
      immutable: false,
    })
  })

  it.each([
    [
      'nothing to forward',
      '{"task": "t", "args": [], "kwargs": {}, "options": {"task_id": "x", "link": null, "retries": 3}}',
    ],
    [
      'a value of every kind',
      '{"task": "t", "args": [1.0, -0, "\\u00e9", [1], null], "options": {}, "immutable": true}',
    ],
    [
      'another order, and blanks',
      ' { "options" : {"chord": {"task" : "b"}, "priority": 5}, "kwargs":{"a" :[ ]}, "task":"t" } ',
    ],
    ['a key that comes twice', '{"task": "s", "args": [1], "args": [2.0], "kwargs": {"a": 1}, "task": "t"}'],
    [
      'links',
      '{"task": "t", "options": {"link": [], "link_error": [{"task": "e"}], "chain": []}, "subtask_type": ""}',
    ],
  ])('SIG-9: opens it the same way whatever else it holds: %s', (_, text) => {
    // What cannot be read by `JSON.parse` alone, and what is long, is read member by member.
    const [big, long] = ['12345678901234567890', `"${'x'.repeat(5000)}"`]
    const read = (other: string): unknown => {
      const { extra: _extra, ...signature } = readSignature(RawJson.from(other)) as never as Record<
        string,
        unknown
      >
      return encodeJson(signature)
    }
    const short = read(text)
    for (const extra of [big, long, '{"__type__": "datetime", "__value__": "2026-01-01T00:00:00"}', 'NaN'])
      expect(read(text.replace('{', `{"extra": ${extra}, `))).toBe(short)
  })

  it('refuses what is none', () => {
    for (const bad of [
      '{"task": "t", "args": [1], "args": {}, "kwargs": {"a": 1}}',
      '[]',
      '{}',
      '{"task": ""}',
      '{"task": 5}',
      '{"task": "t", "args": {}}',
      '{"task": "t", "kwargs": []}',
      '{"task": "t", "options": 1}',
    ]) {
      expect([
        bad,
        caught(() => readSignature(RawJson.from(bad)), InvalidMessageError, DecodeError),
      ]).not.toEqual([bad, undefined])
      expect(() => readSignature(JSON.parse(bad))).toThrow(InvalidMessageError)
    }
    expect(float(1)).toBeDefined()
  })
})
