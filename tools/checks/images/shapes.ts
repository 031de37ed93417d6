/** What the diagrams are made of. Plain SVG, readable on light and dark pages. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const out = join(import.meta.dirname, '../../../docs/images')
mkdirSync(out, { recursive: true })

const style = `<style>
  text { font: 14px ui-sans-serif, system-ui, sans-serif; fill: #1f2937 }
  .small { font-size: 12px; fill: #4b5563 } .title { font-weight: 600 } .mono { font-family: ui-monospace, monospace; font-size: 12px }
  .card { fill: #ffffff; stroke: #cbd5e1; stroke-width: 1.5 } .ts { stroke: #3178c6; stroke-width: 2 } .py { stroke: #c99a1d; stroke-width: 2 }
  .mid { fill: #f1f5f9; stroke: #94a3b8; stroke-width: 1.5 } .arrow { stroke: #64748b; stroke-width: 1.6; fill: none; marker-end: url(#tip) }
  .body { stroke: #7c3aed; stroke-width: 2 } .frame { fill: #f1f5f9; fill-opacity: .55; stroke: #94a3b8; stroke-width: 1.3; stroke-dasharray: 6 4 }
  .back { stroke: #16a34a; stroke-dasharray: 5 4 } .page { fill: #fbfcfe }
</style>
<defs><marker id="tip" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" markerHeight="7" orient="auto-start-reverse"><path d="M0 0 10 5 0 10z" fill="#64748b"/></marker></defs>`

export interface Box {
  readonly x: number
  readonly y: number
  readonly w: number
  readonly h: number
}

export function box({ x, y, w, h }: Box, kind: string, lines: readonly string[]): string {
  const first = y + h / 2 - (lines.length - 1) * 9 + 5
  const texts = lines.map((line, index) => {
    const kindOfText = index === 0 ? 'title' : 'small'
    return `<text class="${kindOfText}" x="${x + w / 2}" y="${first + index * 18}" text-anchor="middle">${line}</text>`
  })
  return `<rect class="${kind}" x="${x}" y="${y}" width="${w}" height="${h}" rx="10"/>${texts.join('')}`
}

export function arrow(x1: number, y1: number, x2: number, y2: number, kind = ''): string {
  const bend = (x2 - x1) / 2
  return `<path class="arrow ${kind}" d="M${x1} ${y1} C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2} ${y2}"/>`
}

export function svg(name: string, width: number, height: number, label: string, body: string): void {
  const source = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="${label}">${style}<rect class="page" width="${width}" height="${height}" rx="14"/>${body}</svg>\n`
  writeFileSync(join(out, name), source)
}

/** An arrow along straight lines. */
export function path(d: string, kind = ''): string {
  return `<path class="arrow ${kind}" d="${d}"/>`
}

export function note(x: number, y: number, text: string, anchor = 'middle', kind = 'small'): string {
  return `<text class="${kind}" x="${x}" y="${y}" text-anchor="${anchor}">${text}</text>`
}
