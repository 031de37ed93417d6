import { describe, expect, it } from 'vitest'
import { isRawJson, RawJson } from '../serialization/index.ts'
import { ChainText } from './chain-text.ts'
import { nextOfChain, stepsOfChain } from './index.ts'

const steps = [
  '{"task": "c", "args": ["]}, "]}',
  '{"task": "b\\"", "kwargs": {"x": [1, 2]}}',
  '{"task": "a"}',
]
const text = `[${steps.join(' ,\n')}]`

describe('the steps of a chain that are left', () => {
  it('CANVAS-1: are cut off from the end, as those of any other text', () => {
    let chain: ChainText | undefined = ChainText.of(text)
    let other: RawJson | undefined = RawJson.trusted(text)
    for (const step of steps.toReversed()) {
      expect(isRawJson(chain)).toBe(true)
      expect(chain!.text).toBe(other!.text)
      expect(stepsOfChain(chain!)).toEqual(stepsOfChain(other!))
      const [mine, its] = [nextOfChain(chain!), nextOfChain(other!)]
      expect(mine).toEqual(its)
      expect(mine.next).toEqual(RawJson.trusted(step))
      // Asked once more, it says the same.
      expect(chain!.split()).toEqual(mine)
      chain = mine.rest as ChainText | undefined
      other = its.rest as RawJson | undefined
    }
    expect([chain, other]).toEqual([undefined, undefined])
  })

  it('are ASCII, or free of types, each for itself', () => {
    const [beyond, typed] = ['{"task": "größe"}', '{"task": "t", "args": [{"__type__": "x"}]}']
    const chain = ChainText.of(`[${steps[0]}, ${beyond}, ${typed}]`)
    expect([chain.ascii, chain.typed]).toEqual([false, true])
    const { rest } = chain.split()
    expect([rest!.ascii, rest!.typed]).toEqual([false, false])
    const last = rest!.split().rest!
    expect([last.ascii, last.typed]).toEqual([true, false])
    // The whole is not what its part is.
    expect([chain.ascii, chain.typed]).toEqual([false, true])
    expect(ChainText.of('[{"task": "\x7f"}]').ascii).toBe(false)
  })

  it('are none where the text is no array with a member', () => {
    for (const bad of ['', '[', ']', '{}', '[}', '{"a": 1]'])
      expect(() => ChainText.of(bad).split()).toThrow(expect.objectContaining({ code: 'CT_DECODE' }))
  })
})
