import { describe, expect, it } from 'vitest'
import { CompressorRegistry } from '../compression/index.ts'
import { isCeleryError } from '../errors.ts'
import { createJsonSerializer, isRawJson, RawJson, SerializerRegistry } from '../serialization/index.ts'
import { partsOf } from './body-parts.ts'
import { buildTaskMessage, nextOfChain, readSignature, readTaskBody, sentEnvelope } from './index.ts'
import type { MessageCodecs, TaskBody, TaskMessageInput, TaskMessageOptions } from './index.ts'
import { readAhead } from './read-task-body.ts'

const serializers = new SerializerRegistry()
const codecs: MessageCodecs = {
  serializers,
  compressors: new CompressorRegistry(),
  accept: serializers.accept(['json']),
  maxBytes: 1_000_000,
}
const base = { task: 't', id: 'id', origin: 'gen1@host' }
const step = (name: string): string =>
  `{"task": "${name}", "args": [1.0, "]}, \\"chord\\": null"], "kwargs": {}, "options": {"task_id": "${'i'.repeat(60)}"}}`
const chain = RawJson.trusted(`[${['c', 'b', 'a'].map(step).join(', ')}]`)

function build(input: Partial<TaskMessageInput>, options?: TaskMessageOptions): Uint8Array {
  return buildTaskMessage({ ...base, ...input }, options).body
}

function read(body: Uint8Array): unknown {
  const text = (value: unknown): unknown =>
    isRawJson(value) ? `raw ${value.text}` : Array.isArray(value) ? value.map(text) : value
  let found: TaskBody
  try {
    found = readTaskBody(
      { body, contentType: 'application/json', contentEncoding: 'utf-8', compression: null },
      codecs,
    )
  } catch (error) {
    if (!isCeleryError(error)) throw error
    return `${error.code} ${String(error.details['reason'])}`
  }
  const { args, kwargs, embed, argsSource, kwargsSource } = found
  const links = Object.fromEntries(Object.entries(embed).map(([name, value]) => [name, text(value)]))
  return { args, kwargs, embed: links, argsSource: text(argsSource), kwargsSource: text(kwargsSource) }
}

const raw = (text: string): RawJson => RawJson.trusted(text)

describe('a body of our own', () => {
  it.each<readonly [string, Partial<TaskMessageInput>]>([
    ['a chain', { args: [1, 'ü'], chain }],
    [
      'arguments as they came',
      { args: raw('[1.0, 12345678901234567890]'), kwargs: raw('{"x": -0.0}'), chain },
    ],
    [
      'callbacks and errbacks',
      { chain, callbacks: [raw(step('l'))], errbacks: [raw(step('e')), raw(step('f'))] },
    ],
    ['a member of a chord', { chain, chord: raw(step('body')) }],
    ['characters beyond ASCII', { chain: raw(chain.text.replace('"c"', '"größe-\u007f"')) }],
    [
      'links that are data',
      {
        chain,
        errbacks: [{ task: 'e', args: [], kwargs: {}, options: {}, subtask_type: null, immutable: true }],
      },
    ],
    [
      'an unknown type in a later step',
      { chain: raw(chain.text.replace('1.0', '{"__type__": "nope", "__value__": 1}')) },
    ],
    ['a next step that is none', { args: ['x'.repeat(300)], chain: raw(`[${step('a')}, 12]`) }],
    ['a next step that is broken', { args: ['x'.repeat(300)], chain: raw(`[${step('a')}, {"task": nope}]`) }],
    ['an empty chain', { chain: raw('[ ]'), args: ['x'.repeat(300)] }],
    ['a broken callback', { chain, callbacks: [raw('{"task": "l", }')] }],
    ['a callback that is no signature', { chain, errbacks: [raw('[1]')] }],
    ['a chord that is broken', { chain, chord: raw('{"task"}') }],
  ])('CANVAS-1: is read as the same bytes of somebody else: %s', (_, input) => {
    const body = build(input)
    expect(partsOf(body)).toBeDefined()
    const copy = Buffer.from(body)
    expect(partsOf(copy)).toBeUndefined()
    expect(read(body)).toEqual(read(copy))
    readAhead(body)
    expect(read(body)).toEqual(read(copy))
    readAhead(copy)
    expect(partsOf(copy)).toBeUndefined()
  })

  it('CANVAS-1: is read ahead while its broker has it, the next step too', () => {
    const message = buildTaskMessage({ ...base, chain })
    const { body } = message
    expect(partsOf(body)?.links).toBeUndefined()
    sentEnvelope(message, { exchange: '', routingKey: 'q', deliveryTag: 'tag' })
    const links = partsOf(body)!.links!
    const found = readTaskBody(
      { body, contentType: 'application/json', contentEncoding: 'utf-8', compression: null },
      codecs,
    )
    expect(found.embed).toBe(links)
    const { next } = nextOfChain(found.embed.chain!)
    expect(readSignature(next)).toBe(readSignature(next))
    expect(readSignature(next)).toEqual(readSignature(raw((next as RawJson).text)))
    // What is wrong with it is said to who reads it, as ever.
    const broken = build({ args: ['x'.repeat(300)], chain: raw(`[${step('a')}, {"task": nope}]`) })
    readAhead(broken)
    expect(partsOf(broken)!.links).toBeUndefined()
  })

  it('is not looked through: the steps that are left are the very text that went into it', () => {
    const body = build({ chain })
    const found = readTaskBody(
      { body, contentType: 'application/json', contentEncoding: 'utf-8', compression: null },
      codecs,
    )
    expect(found.embed.chain).toEqual(chain)
    // Were it looked at, this would not pass.
    body.fill(0x78)
    expect(read(body)).toMatchObject({ embed: { chain: `raw ${chain.text}` } })
  })

  it('is known by its parts only where it pays, and not where it is compressed', () => {
    expect(partsOf(build({ chain: raw('[{"task": "a"}]') }))).toBeUndefined()
    expect(partsOf(build({ args: ['x'.repeat(1000)] }))).toBeUndefined()
    const { compressors } = codecs
    expect(partsOf(build({ chain }, { compression: { name: 'gzip', compressors } }))).toBeUndefined()
  })

  it('says where in the message something cannot be encoded, as ever', () => {
    const cyclic: unknown[] = []
    cyclic.push(cyclic)
    expect(() => build({ chain, args: [1, new Map()] })).toThrow(/\[0\]\[1\]/)
    expect(() => build({ chain, args: cyclic })).toThrow()
    const strict = createJsonSerializer({ nonFinite: 'error' })
    expect(() => build({ chain, args: [Number.NaN] }, { serializer: strict })).toThrow(/\[0\]\[0\]/)
  })
})

describe('bodies whose links are those of the one before', () => {
  const chord = raw(step('body'))
  const errbacks = [raw(step('e'))]
  const bytes = (args: unknown[], links: Partial<TaskMessageInput>): Buffer =>
    Buffer.from(build({ args, ...links }))

  it('CHORD-1: are read as each for itself', () => {
    const kinds: Partial<TaskMessageInput>[] = [{ chord }, { errbacks }, { chord, errbacks }, { chain }, {}]
    for (let n = 0; n < 100; n += 1) {
      const links = kinds[(n >> 1) % kinds.length]!
      const found = read(bytes([n, '"], {}, {"'], links)) as Record<string, unknown>
      expect(found).toMatchObject({ args: [n, '"], {}, {"'], kwargs: {} })
      expect(found['embed']).toEqual({
        callbacks: null,
        errbacks: links.errbacks === undefined ? null : [`raw ${step('e')}`],
        chain: links.chain === undefined ? null : `raw ${chain.text}`,
        chord: links.chord === undefined ? null : `raw ${step('body')}`,
      })
      expect(found['argsSource']).toBe(`raw [${n}, "\\"], {}, {\\""]`)
    }
  })

  it('are refused for the same reasons', () => {
    const whole = bytes([1], { chord }).toString()
    const tail = whole.slice(whole.indexOf('{"callbacks"'))
    for (const head of [
      '[[1], {}, ',
      '[[1], ',
      '[',
      '[[1], {}, {}, ',
      '[7, {}, ',
      '[[1], [], ',
      '[["1, {}, ',
      '[[1]], {}, ',
    ]) {
      read(bytes([2], { errbacks }))
      const alone = read(Buffer.from(head + tail))
      read(bytes([2], { chord }))
      expect(read(Buffer.from(head + tail))).toEqual(alone)
    }
  })
})
