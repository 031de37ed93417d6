/** Draws the diagrams of README and docs: `node tools/checks/images/draw.ts`. Plain SVG, readable on light and dark pages. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const out = join(import.meta.dirname, '../../../docs/images')
mkdirSync(out, { recursive: true })

const style = `<style>
  text { font: 14px ui-sans-serif, system-ui, sans-serif; fill: #1f2937 }
  .small { font-size: 12px; fill: #4b5563 } .title { font-weight: 600 } .mono { font-family: ui-monospace, monospace; font-size: 12px }
  .card { fill: #ffffff; stroke: #cbd5e1; stroke-width: 1.5 } .ts { stroke: #3178c6; stroke-width: 2 } .py { stroke: #c99a1d; stroke-width: 2 }
  .mid { fill: #f1f5f9; stroke: #94a3b8; stroke-width: 1.5 } .arrow { stroke: #64748b; stroke-width: 1.6; fill: none; marker-end: url(#tip) }
  .back { stroke: #16a34a; stroke-dasharray: 5 4 } .page { fill: #fbfcfe }
</style>
<defs><marker id="tip" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" markerHeight="7" orient="auto-start-reverse"><path d="M0 0 10 5 0 10z" fill="#64748b"/></marker></defs>`

interface Box {
  readonly x: number
  readonly y: number
  readonly w: number
  readonly h: number
}

function box({ x, y, w, h }: Box, kind: string, lines: readonly string[]): string {
  const first = y + h / 2 - (lines.length - 1) * 9 + 5
  const texts = lines.map((line, index) => {
    const kindOfText = index === 0 ? 'title' : 'small'
    return `<text class="${kindOfText}" x="${x + w / 2}" y="${first + index * 18}" text-anchor="middle">${line}</text>`
  })
  return `<rect class="${kind}" x="${x}" y="${y}" width="${w}" height="${h}" rx="10"/>${texts.join('')}`
}

function arrow(x1: number, y1: number, x2: number, y2: number, kind = ''): string {
  const bend = (x2 - x1) / 2
  return `<path class="arrow ${kind}" d="M${x1} ${y1} C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2} ${y2}"/>`
}

function svg(name: string, width: number, height: number, label: string, body: string): void {
  const source = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" role="img" aria-label="${label}">${style}<rect class="page" width="${width}" height="${height}" rx="14"/>${body}</svg>\n`
  writeFileSync(join(out, name), source)
}

/** One fleet: both languages on one broker and one result store. */
svg(
  'fleet.svg',
  860,
  300,
  'Python and Node clients send tasks to one broker; Python and Node workers take them and store results both can read',
  [
    '<text class="small" x="110" y="28" text-anchor="middle">send</text><text class="small" x="430" y="28" text-anchor="middle">one wire format</text><text class="small" x="750" y="28" text-anchor="middle">work</text>',
    box({ x: 20, y: 50, w: 180, h: 80 }, 'card ts', ['Node service', '@ct/client', 'add.delay(2, 2)']),
    box({ x: 20, y: 170, w: 180, h: 80 }, 'card py', [
      'Django, Flask, …',
      'Celery 5.4 – 5.7',
      'add.delay(2, 2)',
    ]),
    box({ x: 330, y: 50, w: 200, h: 80 }, 'mid', ['Broker', 'Redis', 'queues, priorities, events']),
    box({ x: 330, y: 170, w: 200, h: 80 }, 'mid', ['Result store', 'Redis', 'celery-task-meta-…']),
    box({ x: 660, y: 50, w: 180, h: 80 }, 'card ts', [
      'ct worker',
      'ct worker -A tasks.ts',
      'TypeScript tasks',
    ]),
    box({ x: 660, y: 170, w: 180, h: 80 }, 'card py', [
      'Celery worker',
      'celery -A proj worker',
      'Python tasks',
    ]),
    arrow(202, 80, 328, 80),
    arrow(202, 200, 328, 105),
    arrow(532, 80, 658, 80),
    arrow(532, 105, 658, 195),
    arrow(658, 110, 532, 200, 'back'),
    arrow(658, 225, 532, 225, 'back'),
    arrow(328, 200, 202, 110, 'back'),
    arrow(328, 228, 202, 228, 'back'),
    '<text class="small" x="430" y="282" text-anchor="middle">solid: task messages · dashed: results</text>',
  ].join(''),
)

/** The rooms a message walks through (architecture §3). */
const rooms: readonly (readonly [string, string])[] = [
  ['app · task', 'a call, as a signature'],
  ['canvas', 'chain, group, chord'],
  ['routing', 'exchange, key, queue'],
  ['protocol', 'headers and body'],
  ['serialization', 'values to bytes'],
  ['producer', 'published and confirmed'],
  ['broker adapter', 'bytes over the wire'],
  ['consumer', 'accepted, held, parked'],
  ['request', 'settled exactly once'],
  ['pool', 'bind arguments and run'],
  ['trace', 'success, retry, failure'],
  ['backend', 'outcome is stored'],
  ['result', 'value or typed error'],
]
const owner = [
  'client',
  'client',
  'client',
  'contracts',
  'contracts',
  'client',
  'adapter',
  'worker',
  'worker',
  'worker',
  'worker',
  'adapter',
  'client',
]
const columns = 5
svg(
  'rooms.svg',
  900,
  330,
  'The thirteen rooms a message walks through, from the call to the result',
  rooms
    .map(([name, does], index) => {
      const row = Math.floor(index / columns)
      // Every other row runs backwards, so that neighbours in time are neighbours on the page.
      const column = row % 2 === 0 ? index % columns : columns - 1 - (index % columns)
      const x = 15 + column * 177
      const y = 20 + row * 105
      const kind = owner[index] === 'client' ? 'card ts' : owner[index] === 'worker' ? 'card py' : 'mid'
      const here = box({ x, y, w: 160, h: 72 }, kind, [
        `${index + 1}  ${name}`,
        does,
        `@ct/${owner[index]}`.replace('@ct/adapter', '@ct/broker-…'),
      ])
      if (index === rooms.length - 1) return here
      const turns = (index + 1) % columns === 0
      const link = turns
        ? `<path class="arrow" d="M${x + 80} ${y + 73} V${y + 103}"/>`
        : row % 2 === 0
          ? `<path class="arrow" d="M${x + 161} ${y + 36} H${x + 176}"/>`
          : `<path class="arrow" d="M${x - 1} ${y + 36} H${x - 16}"/>`
      return here + link
    })
    .join(''),
)
