import { describe, expect, it } from 'vitest'
import { CeleryError, ContentDisallowedError, DecodeError, EncodeError } from '../errors.ts'
import type { Serializer } from '../serializer.ts'
import { SerializerRegistry } from './index.ts'

const upper: Serializer = {
  name: 'upper',
  contentType: 'application/x-upper',
  contentEncoding: 'utf-8',
  encode: (value) => Buffer.from(String(value).toUpperCase()),
  decode: (bytes) => {
    if (bytes[0] === 33) throw new TypeError('broken adapter')
    return Buffer.from(bytes).toString()
  },
}

describe('SerializerRegistry', () => {
  const registry = new SerializerRegistry([upper])
  const json = registry.accept(['json'])

  it('SEC-7 SEC-9 WIRE-10: encodes by name, with the content type and encoding of each', () => {
    expect(registry.encode([1])).toMatchObject({
      contentType: 'application/json',
      contentEncoding: 'utf-8',
      body: Buffer.from('[1]'),
    })
    expect(registry.encode(Uint8Array.of(1), 'raw')).toMatchObject({
      contentType: 'application/data',
      contentEncoding: 'binary',
    })
    expect(registry.encode('é', 'raw')).toMatchObject({ contentEncoding: 'utf-8', body: Buffer.from('é') })
    expect(registry.encode('é', 'text')).toMatchObject({
      contentType: 'text/plain',
      contentEncoding: 'utf-8',
    })
    expect(registry.encode('x', 'upper').body).toEqual(Buffer.from('X'))
    expect(() => registry.encode(1, 'raw')).toThrow(EncodeError)
  })

  it('SEC-1 SEC-11: refuses what is not in the accept list before it decodes', () => {
    const broken = Buffer.from('!')
    expect(() => registry.decode(broken, 'application/x-upper', 'utf-8', json)).toThrow(
      ContentDisallowedError,
    )
    expect(() => registry.decode(broken, 'text/plain', 'utf-8', json)).toThrow(/text \(text\/plain\)/)
    expect(() => registry.decode(broken, 'application/x-python-serialize', 'binary', json)).toThrow(
      ContentDisallowedError,
    )
    expect(registry.decode(Buffer.from('[1]'), 'application/json', 'utf-8', json)).toEqual([1])
    expect(
      registry.decode(
        Buffer.from('x'),
        'application/x-upper',
        null,
        registry.accept(['application/x-upper']),
      ),
    ).toBe('x')
  })

  it('SEC-1: application/data and application/text are always let through; a missing type counts as data', () => {
    const bytes = Uint8Array.of(104, 105)
    expect(registry.decode(bytes, 'application/data', 'binary', json)).toBe(bytes)
    expect(registry.decode(bytes, 'application/data', 'utf-8', json)).toBe('hi')
    expect(registry.decode(bytes, undefined, 'ascii-8bit', json)).toBe(bytes)
    expect(registry.decode(bytes, '', null, json)).toBe('hi')
    expect(registry.decode(bytes, 'application/text', 'us-ascii', json)).toBe('hi')
  })

  it('SEC-10: a type without a serializer is text by its encoding, or bytes', () => {
    const accept = registry.accept(['application/x-odd'])
    expect(registry.decode(Uint8Array.of(0xe9), 'application/x-odd', 'latin-1', accept)).toBe('é')
    expect(registry.decode(Buffer.from('é'), 'application/x-odd', 'UTF-8', accept)).toBe('é')
    expect(registry.decode(Uint8Array.of(0xe9), 'application/x-odd', 'binary', accept)).toEqual(
      Uint8Array.of(0xe9),
    )
    expect(() => registry.decode(Uint8Array.of(0xe9), 'application/x-odd', 'utf-8', accept)).toThrow(
      DecodeError,
    )
    expect(() => registry.decode(Uint8Array.of(0xe9), 'application/x-odd', 'nonsense', accept)).toThrow(
      DecodeError,
    )
  })

  it('names the package of a serializer that is known but not here', () => {
    expect(() => registry.accept(['json', 'msgpack'])).toThrow(/@ct\/serializer-msgpack/)
    expect(() => registry.get('yaml')).toThrow(/@ct\/serializer-yaml/)
    expect(() => registry.get('constructor')).toThrow(CeleryError)
    expect(() => registry.encode(1, 'nope')).toThrow(/registered are json, raw, text, upper/)
  })

  it('SEC-12: whatever an adapter throws comes out as ours', () => {
    const accept = registry.accept(['upper'])
    expect(() => registry.decode(Buffer.from('!'), 'application/x-upper', 'utf-8', accept)).toThrow(
      DecodeError,
    )
    const symbolic = Symbol('x')
    expect(registry.encode(symbolic, 'upper').body.length).toBeGreaterThan(0)
    expect(() => registry.encode(Object.create(null), 'upper')).toThrow(EncodeError)
  })

  it('SEC-9: unregister', () => {
    const own = new SerializerRegistry([upper])
    own.unregister('upper')
    expect(own.has('upper')).toBe(false)
    expect(registry.has('application/x-upper')).toBe(true)
  })
})
