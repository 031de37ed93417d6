import { describe, expect, it } from 'vitest'
import { globToRegExp } from './glob.ts'

describe('shell patterns as Python’s fnmatch reads them', () => {
  it.each([
    ['worker*', ['worker', 'worker1@h'], ['a-worker']],
    ['w?@h', ['w1@h'], ['w@h', 'w12@h']],
    ['[a-c]x', ['ax', 'cx'], ['dx', '-x']],
    ['[!a-c]x', ['dx'], ['ax', 'x']],
    ['[]]', [']'], ['[']],
    ['[', ['['], ['']],
    ['a.b', ['a.b'], ['axb']],
    ['[z-a]', [], ['z', 'a', '-']],
    ['[^a]', ['^', 'a'], ['b']],
    ['**', ['', 'anything\nat all'], []],
    ['a+(b)|c', ['a+(b)|c'], ['ab']],
  ])('%s', (glob, matching, others) => {
    const pattern = globToRegExp(glob)
    expect(matching.filter((text) => !pattern.test(text))).toEqual([])
    expect(others.filter((text) => pattern.test(text))).toEqual([])
  })
})
