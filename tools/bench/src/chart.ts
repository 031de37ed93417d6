import { show } from './statistics.ts'

interface Bar {
  readonly contestant: string
  readonly value: number
}

const colour: Readonly<Record<string, string>> = { ct: '#3178c6', 'bare loop': '#94a3b8' }

/** Horizontal bars, one per contestant, as a plain SVG. */
export function drawBars(title: string, bars: readonly Bar[]): string {
  const widest = Math.max(...bars.map((bar) => bar.value))
  const rows = bars.map((bar, index) => {
    const y = 48 + index * 34
    const width = Math.max(2, (bar.value / widest) * 470)
    return (
      `<text x="110" y="${y + 16}" text-anchor="end">${bar.contestant}</text>` +
      `<rect x="120" y="${y}" width="${width.toFixed(1)}" height="22" rx="4" fill="${colour[bar.contestant] ?? '#c99a1d'}"/>` +
      `<text x="${(128 + width).toFixed(1)}" y="${y + 16}">${show(bar.value)}</text>`
    )
  })
  const height = 62 + bars.length * 34
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 680 ${height}" role="img" aria-label="${title}"><style>text{font:13px ui-sans-serif,system-ui,sans-serif;fill:#1f2937}.t{font-weight:600}</style><rect width="680" height="${height}" rx="12" fill="#fbfcfe"/><text class="t" x="16" y="28">${title}</text>${rows.join('')}</svg>\n`
}
