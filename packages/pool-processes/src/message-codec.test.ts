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
    expect(encodeMessage([[...frame, 'x']])[8]).toBe(0xff)
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
