export interface WorkflowRow {
  readonly title: string
  /** Seconds by contestant. */
  readonly seconds: Readonly<Record<string, number>>
}

const colour: Readonly<Record<string, string>> = { ct: '#3178c6', BullMQ: '#c0392b', Celery: '#37814a' }
const left = 190
const right = 640
const rowHeight = 46

const shown = (seconds: number): string =>
  seconds < 1 ? `${(seconds * 1000).toFixed(0)} ms` : `${seconds.toFixed(1)} s`

/** A row a shape, a dot a contestant, on a logarithmic axis of time: ratios are distances. */
export function drawWorkflows(title: string, rows: readonly WorkflowRow[]): string {
  const all = rows.flatMap(({ seconds }) => Object.values(seconds))
  const from = Math.floor(Math.log10(Math.min(...all)))
  const to = Math.ceil(Math.log10(Math.max(...all)))
  const x = (seconds: number): number => left + ((Math.log10(seconds) - from) / (to - from)) * (right - left)
  const bottom = 84 + rows.length * rowHeight
  const ticks = Array.from({ length: to - from + 1 }, (_, index) => 10 ** (from + index)).map((at) => {
    const label = at < 1 ? `${Math.round(at * 1000)} ms` : `${at} s`
    return `<line x1="${x(at)}" y1="72" x2="${x(at)}" y2="${bottom}" stroke="#e2e8f0"/><text class="s" x="${x(at)}" y="${bottom + 18}" text-anchor="middle">${label}</text>`
  })
  const names = Object.keys(colour)
  const legend = names.map(
    (name, index) =>
      `<circle cx="${left + index * 90}" cy="50" r="6" fill="${colour[name]}"/><text x="${left + 12 + index * 90}" y="54">${name}</text>`,
  )
  const lines = rows.map(({ title: name, seconds }, index) => {
    const y = 98 + index * rowHeight
    const taken = names
      .flatMap((contestant) =>
        seconds[contestant] === undefined ? [] : [{ contestant, at: seconds[contestant] }],
      )
      .toSorted((one, other) => one.at - other.at)
    const track = `<line x1="${x(taken[0]!.at).toFixed(1)}" y1="${y}" x2="${x(taken.at(-1)!.at).toFixed(1)}" y2="${y}" stroke="#cbd5e1" stroke-width="2"/>`
    const dots = taken.map(({ contestant, at }, place) => {
      // The outer ones are labelled outside, those between above the line.
      const label = (dx: number, dy: number, anchor: string): string =>
        `<text class="s" x="${(x(at) + dx).toFixed(1)}" y="${y + dy}" text-anchor="${anchor}">${shown(at)}</text>`
      const text =
        place === 0
          ? label(-11, 4, 'end')
          : place === taken.length - 1
            ? label(11, 4, 'start')
            : label(0, -12, 'middle')
      return `<circle cx="${x(at).toFixed(1)}" cy="${y}" r="7" fill="${colour[contestant]}"/>${text}`
    })
    return `<text x="16" y="${y + 4}">${name}</text>${track}${dots.join('')}`
  })
  const height = bottom + 32
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 720 ${height}" role="img" aria-label="${title}"><style>text{font:13px ui-sans-serif,system-ui,sans-serif;fill:#1f2937}.t{font-weight:600}.s{font-size:12px;fill:#475569}</style><rect width="720" height="${height}" rx="12" fill="#fbfcfe"/><text class="t" x="16" y="28">${title}</text>${legend.join('')}${ticks.join('')}${lines.join('')}</svg>\n`
}
