/** Rows of the table of canvas cases that a test file names: `row 7`, `rows 85…88`, `rows 4, 23`, in titles and in tables of cases. */
import { testTitles } from './test-titles.ts'

const list = /\brows? (\d+(?:…\d+)?(?:(?:, | and )\d+(?:…\d+)?)*)/g
/** First column of a table that `it.each` takes its titles from. */
const tableEntry = /(?<=\[\s*)(['"`])(rows? \d[^\n]*?)\1/g

export function canvasRows(source: string): Set<number> {
  const entries = [...source.matchAll(tableEntry)].map(([, , text]) => text!)
  const rows = new Set<number>()
  for (const text of [...testTitles(source), ...entries])
    for (const [, numbers] of text.matchAll(list))
      for (const [, from, to] of numbers!.matchAll(/(\d+)(?:…(\d+))?/g))
        for (let row = Number(from); row <= Number(to ?? from); row++) rows.add(row)
  return rows
}
