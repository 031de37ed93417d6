import { expect, it } from 'vitest'
import { testTitles } from './test-titles.ts'

it('finds the titles of tests, whatever stands between', () => {
  const source = [
    "it('one', () => {})",
    'test.skipIf(!ready)("two", () => {})',
    'describe(`three ${4}`, () => {})',
    'it.each([',
    "  ['a)', { b: 1 }], // not ] this",
    '])(',
    "  'five: %s',",
    '  () => {},',
    ')',
    "submit('no test')",
    'it(name, () => {})',
    "it.each(rows)('it\\'s six', () => {})",
    "unit('seven')",
  ].join('\n')
  expect(testTitles(source)).toEqual(['one', 'two', 'three ${4}', 'five: %s', "it\\'s six"])
})

it('takes the texts of a property that a title takes in', () => {
  const source = [
    "const rows = [{ outcome: 'one', other: 'x' }, { outcome: `two` }]",
    "it.each(rows)('$outcome', () => {})",
  ]
  expect(testTitles(source.join('\n'))).toEqual(['$outcome', 'one', 'two'])
})
