import type { Style } from './style.ts'

/** Columns padded to their widest cell; numbers to the right. Control characters, which messages of others may bring, are shown as dots. */
export function formatTable(
  heads: readonly string[],
  rows: readonly (readonly (string | number)[])[],
  style: Style,
): string {
  const shown = (cell: string | number): string => String(cell).replaceAll(/\p{Cc}/gu, '·')
  const widths = heads.map((head, column) =>
    Math.max(head.length, ...rows.map((row) => shown(row[column] ?? '').length)),
  )
  const line = (cells: readonly (string | number)[]): string =>
    cells
      .map((cell, column) => {
        const width = widths[column] ?? 0
        return typeof cell === 'number' ? shown(cell).padStart(width) : shown(cell).padEnd(width)
      })
      .join('  ')
      .trimEnd()
  return [style.paint('bold', line(heads)), ...rows.map(line)].join('\n')
}
