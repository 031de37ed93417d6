import { describe, expect, it } from 'vitest'
import { encodeMessage, MessageReader } from './message-codec.ts'

function reader(): { readonly read: MessageReader; readonly got: unknown[] } {
  const got: unknown[] = []
  return { read: new MessageReader((frames) => got.push(frames)), got }
}

describe('messages on a pipe', () => {
  it('come out as they went in, however they were cut', () => {
    const sent = [
      ...[[1, 'a'], [new Uint8Array(70_000).fill(7)], [], [{ nested: [1n, null] }]],
      ...[
        [[1, 7, 1.5e12, 0.25]],
        [
          [7, 2],
          [8, -3],
        ],
        [[5, Infinity]],
        [[3, 1, undefined, NaN, true]],
        [[]],
      ],
      ...[
        [[3, 1, { kind: 'returned', value: new Uint8Array([1, 2]), repr: 'é ∂' }, undefined, 0, false, 4.5]],
        [
          [1, Buffer.from([3, 0]), { a: undefined, b: [new Uint8Array(0), { c: Buffer.alloc(3, 9) }] }],
          [1, new Uint8Array([4])],
        ],
        [[{ when: new Date(5), ever: [-0] }]],
        [[new Uint16Array([1, 300])]],
        [[JSON.parse('{"__proto__": {"a": 1}, "b": "\\ud800"}')]],
      ],
    ]
    const bytes = Buffer.concat(sent.map(encodeMessage))
    for (const size of [1, 3, 7, 64, 65_536, bytes.length]) {
      const { read, got } = reader()
      for (let at = 0; at < bytes.length; at += size) read.push(bytes.subarray(at, at + size))
      expect(got).toEqual(sent)
      expect(read.holdsPart).toBe(false)
    }
  })

  it('are short where they are numbers only', () => {
    const frame = [1, 7, 1_795_908_289_812, 532.586973]
    expect(encodeMessage([frame]).subarray(8).toString()).toBe(JSON.stringify([frame]))
    expect(encodeMessage([[...frame, 'x']])[8]).not.toBe(JSON.stringify([frame]).charCodeAt(0))
  })

  it('keep which arrays are buffers, what they hold, and nothing of those around them', () => {
    const value = { bytes: new Uint8Array([1, 2, 3]).subarray(1), buffer: Buffer.from('ab').subarray(1) }
    const { read, got } = reader()
    read.push(encodeMessage([value]))
    const [[{ bytes, buffer }]] = got as [[typeof value]]
    expect([...bytes]).toEqual([2, 3])
    expect([Buffer.isBuffer(bytes), Buffer.isBuffer(buffer), buffer.toString()]).toEqual([false, true, 'b'])
    expect(value.bytes).toHaveLength(2)
  })

  it.each([
    ['a map', new Map([[1, 2]])],
    ['a date', new Date(1)],
    ['a big number', 1n],
    ['no number', NaN],
    ['an error', new Error('no')],
    ['bytes where a prototype would be', JSON.parse('{"__proto__": null}')],
    ['numbers of another width', new Float32Array([1.5])],
  ])('cross as structured clones with what JSON would change: %s', (_, value: unknown) => {
    const given =
      value !== null && typeof value === 'object' && Object.hasOwn(value, '__proto__')
        ? Object.defineProperty({}, '__proto__', { value: new Uint8Array(1), enumerable: true })
        : value
    const message = encodeMessage([[9, given]])
    expect(message[8]).toBe(0xff)
    const { read, got } = reader()
    read.push(message)
    expect(got).toEqual([[[9, given]]])
  })

  it('may hold what refers to itself', () => {
    const round: { self?: unknown } = {}
    round.self = round
    const { read, got } = reader()
    read.push(encodeMessage([round]))
    const [[back]] = got as [[typeof round]]
    expect(back.self).toBe(back)
  })

  it.each([
    ...['log 1 of 2\n', 'a line of a library\n', '        ', '0123456789'],
    String.fromCharCode(0).repeat(8),
  ])('P7: what somebody else writes into the pipe is found out at once, and swallows nothing: %j', (text) => {
    const { read, got } = reader()
    read.push(encodeMessage(['before']))
    const push = (): void => {
      read.push(Buffer.from(text))
      read.push(encodeMessage(['after']))
    }
    expect(push).toThrow('no message')
    expect(got).toEqual([['before']])
  })
})
