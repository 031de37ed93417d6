import { stripVTControlCharacters } from 'node:util'
import type { Style } from './style.ts'

/** Columns padded to their widest cell; numbers to the right. Colours in cells do not count. */
export function formatTable(
  heads: readonly string[],
  rows: readonly (readonly (string | number)[])[],
  style: Style,
): string {
  const width = (text: string): number => stripVTControlCharacters(text).length
  const widths = heads.map((head, column) =>
    Math.max(width(head), ...rows.map((row) => width(String(row[column] ?? '')))),
  )
  const line = (cells: readonly (string | number)[]): string =>
    cells
      .map((cell, column) => {
        const text = String(cell)
        const gap = ' '.repeat(Math.max(0, (widths[column] ?? 0) - width(text)))
        return typeof cell === 'number' ? gap + text : text + gap
      })
      .join('  ')
      .trimEnd()
  return [style.paint('bold', line(heads)), ...rows.map(line)].join('\n')
}
