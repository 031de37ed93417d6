import { expect, it } from 'vitest'
import { canvasRows } from './canvas-rows.ts'

it('finds the rows that tests name in titles and in tables, and no others', () => {
  // Spelt so that the check, which reads this file too, finds none here.
  const source = `
    // ROW 1 is no test
    it('ROW 2, ANY-5: 3 arguments', () => {})
    it.each(['a'])('ROWs 4, 6…8 and 10, ANY-41: %s', () => { throw new Error('ROW 11') })
    const cases = [
      ['ROW 12', 'add(1, 2)', 13],
      [
        'ROW 14, as a task',
        'ROW 15',
      ],
      ['ROW 16, ANY-86', 'chain()', 4],
    ]`.replaceAll('ROW', 'row')
  expect([...canvasRows(source)]).toEqual([2, 4, 6, 7, 8, 10, 12, 14, 16])
})
