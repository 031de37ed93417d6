import type { SoakReport, SoakSample } from './soak.ts'

interface Line {
  readonly name: string
  readonly colour: string
  readonly value: (sample: SoakSample) => number
}

const panels: readonly { readonly title: string; readonly lines: readonly Line[] }[] = [
  {
    title: 'memory, MiB',
    lines: [
      { name: 'heap after collection', colour: '#3178c6', value: ({ heapBytes }) => heapBytes / 2 ** 20 },
      { name: 'resident', colour: '#94a3b8', value: ({ rssBytes }) => rssBytes / 2 ** 20 },
    ],
  },
  { title: 'handles', lines: [{ name: 'open', colour: '#3178c6', value: ({ handles }) => handles }] },
  {
    title: 'send to result, ms',
    lines: [
      { name: 'p50', colour: '#3178c6', value: ({ p50 }) => p50 },
      { name: 'p95', colour: '#c99a1d', value: ({ p95 }) => p95 },
      { name: 'p99', colour: '#b4413c', value: ({ p99 }) => p99 },
    ],
  },
]

const [left, width, height, gap] = [56, 600, 96, 46]

/** Memory, handles and latency over time, one below the other, as a plain SVG. */
export function drawSoak({ pool, samples, heapBytesPerTask }: SoakReport): string {
  const seconds = Math.max(1, samples.at(-1)?.seconds ?? 1)
  const tasks = samples.at(-1)?.tasks ?? 0
  const title = `Soak, pool ${pool}: ${tasks.toLocaleString('en-US')} tasks in ${Math.round(seconds)} s, heap ${heapBytesPerTask.toFixed(1)} B a task`
  const drawn = panels.map((panel, index) => {
    const top = 60 + index * (height + gap)
    const most = 1.1 * Math.max(1, ...panel.lines.flatMap(({ value }) => samples.map(value)))
    const x = (sample: SoakSample): string => (left + (sample.seconds / seconds) * width).toFixed(1)
    const y = (value: number): string => (top + height - (value / most) * height).toFixed(1)
    const names = panel.lines.map(
      ({ name, colour }, at) =>
        `<text x="${left + 160 + at * 150}" y="${top - 6}" fill="${colour}" style="fill:${colour}">${name}</text>`,
    )
    const lines = panel.lines.map(
      ({ colour, value }) =>
        `<polyline fill="none" stroke="${colour}" stroke-width="1.6" points="${samples.map((sample) => `${x(sample)},${y(value(sample))}`).join(' ')}"/>`,
    )
    return (
      `<text class="t" x="${left}" y="${top - 6}">${panel.title}</text>${names.join('')}` +
      `<rect x="${left}" y="${top}" width="${width}" height="${height}" fill="#fff" stroke="#e2e8f0"/>` +
      `<text x="${left - 6}" y="${top + 10}" text-anchor="end">${most.toFixed(most < 10 ? 1 : 0)}</text>` +
      `<text x="${left - 6}" y="${top + height}" text-anchor="end">0</text>${lines.join('')}`
    )
  })
  const bottom = 60 + panels.length * (height + gap)
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 680 ${bottom}" role="img" aria-label="${title}"><style>text{font:12px ui-sans-serif,system-ui,sans-serif;fill:#1f2937}.t{font-weight:600}</style><rect width="680" height="${bottom}" rx="12" fill="#fbfcfe"/><text class="t" x="16" y="26">${title}</text>${drawn.join('')}</svg>\n`
}
