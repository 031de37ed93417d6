import { expect, it } from 'vitest'
import { outputContains, outputInComments, outputMatches } from './expected-output.ts'

it('reads the expected output from comments', () => {
  expect(outputInComments('console.log(1) // → 1\n// a → b\n// → two words\n')).toEqual(['1', 'two words'])
  expect(outputInComments('print(1)  # → 1')).toEqual(['1'])
})

it.each([
  [['a'], ['a'], true],
  [['a'], ['a', 'b'], false],
  [['a…c'], ['abc'], true],
  [['a…c'], ['ab'], false],
  [['(1+1)'], ['(1+1)'], true],
  [['a', '…'], ['a', 'b', 'c'], true],
  [['…', 'c'], ['a', 'b', 'c'], true],
  [['…', 'd'], ['a', 'b', 'c'], false],
  [[], [], true],
  [[], ['a'], false],
])('%j against %j is %j', (expected, actual, result) => {
  expect(outputMatches(expected, actual)).toBe(result)
})

it('finds lines in a log, in order', () => {
  expect(outputContains(['b', '…', 'd…'], ['a', 'b', 'c', 'de'])).toBe(true)
  expect(outputContains(['d', 'b'], ['b', 'd'])).toBe(false)
})
