import { cpus, totalmem } from 'node:os'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { drawBars } from './chart.ts'
import type { Figure } from './scenarios.ts'
import { median, show } from './statistics.ts'

interface Row {
  readonly contestant: string
  readonly variant: string
  readonly value: number
  readonly spread: string
}

interface Run {
  readonly tasks: number
  readonly write: boolean
  /** Adds to the rounds that are kept. */
  readonly more?: boolean
  readonly contestants: readonly { readonly name: string; readonly about: string }[]
  readonly scenarios: readonly { readonly name: string; readonly title: string }[]
  readonly server: string
  /** What a contestant's variants are, e.g. `concurrency`. */
  readonly variants: string
  /** `figures`: the part between `<!-- figures -->` and `<!-- /figures -->` of docs/benchmarks.md. */
  readonly part: string
}

/** Median per contestant; where it was tried at several concurrencies, its best one. */
function rowsOf(
  figures: readonly Figure[],
  scenario: string,
  metric: string,
): { rows: Row[]; sample: Figure | undefined } {
  const mine = figures.filter((one) => one.scenario === scenario && one.metric === metric)
  const sample = mine[0]
  const best = new Map<string, Row>()
  for (const [key, group] of Map.groupBy(mine, (one) => `${one.contestant}\n${one.variant}`)) {
    const [contestant = '', variant = ''] = key.split('\n')
    const values = group.map((one) => one.value)
    const row = {
      contestant,
      variant,
      value: median(values),
      spread: `${show(Math.min(...values))} – ${show(Math.max(...values))}`,
    }
    const old = best.get(contestant)
    if (old === undefined || (sample?.more === true ? row.value > old.value : row.value < old.value))
      best.set(contestant, row)
  }
  return { rows: [...best.values()], sample }
}

function table(figures: readonly Figure[], scenario: string, metric: string, variants: string): string[] {
  const { rows, sample } = rowsOf(figures, scenario, metric)
  if (sample === undefined) return []
  const ours = rows.find((row) => row.contestant === 'ct')?.value
  const lines = rows.map((row) => {
    const ratio =
      ours === undefined || row.contestant === 'ct'
        ? ''
        : `${show(sample.more ? ours / row.value : row.value / ours)}×`
    return `| ${row.contestant}${row.variant === '' ? '' : ` (${variants} ${row.variant})`} | ${show(row.value)} | ${row.spread} | ${ratio} |`
  })
  return [
    `| ${metric}, ${sample.unit} | median | range | ct is better by |`,
    '|---|---:|---:|---:|',
    ...lines,
    '',
  ]
}

function keptAt(part: string): string {
  return join(import.meta.dirname, `../results/${part.replaceAll(' ', '-')}.json`)
}

/** Figures of this run, and of scenarios that were measured in earlier ones; with `more`, their rounds follow those there are. */
function withKept(figures: readonly Figure[], kept: string, more: boolean): Figure[] {
  const old = existsSync(kept) ? (JSON.parse(readFileSync(kept, 'utf8')) as Figure[]) : []
  if (!more) {
    const measured = new Set(figures.map((one) => one.scenario))
    return [...old.filter((one) => !measured.has(one.scenario)), ...figures]
  }
  const rounds = Map.groupBy(old, (one) => one.scenario)
  const first = (scenario: string): number =>
    Math.max(-1, ...(rounds.get(scenario) ?? []).map((one) => one.round)) + 1
  return [...old, ...figures.map((one) => ({ ...one, round: one.round + first(one.scenario) }))]
}

function roundsOf(figures: readonly Figure[], scenario: string): string {
  const rounds = Math.max(...figures.filter((one) => one.scenario === scenario).map((one) => one.round)) + 1
  return rounds === 1 ? 'One round.' : `${rounds} interleaved rounds.`
}

/** Prints the tables; with `write`, puts them between the markers of docs/benchmarks.md and draws the charts. */
export async function writeReport(measured: readonly Figure[], run: Run): Promise<void> {
  const kept = keptAt(run.part)
  const figures = run.write ? withKept(measured, kept, run.more === true) : measured
  const [cpu] = cpus()
  const machine = `${cpus().length} cores (${cpu?.model.trim() ?? 'unknown'}), ${Math.round(totalmem() / 2 ** 30)} GiB, Node ${process.version}; client, worker and ${run.server} share the machine. ${run.tasks.toLocaleString('en-US')} tasks.`
  const lines = [machine, '', ...run.contestants.map((one) => `- **${one.name}**: ${one.about}`), '']
  const images = join(import.meta.dirname, '../../../docs/images')
  for (const scenario of run.scenarios) {
    const metrics = [
      ...new Set(figures.filter((one) => one.scenario === scenario.name).map((one) => one.metric)),
    ]
    if (metrics.length === 0) continue
    lines.push(`### ${scenario.title}`, '', roundsOf(figures, scenario.name), '')
    const [first = ''] = metrics
    if (run.write && scenario.name !== 'import') {
      const { rows, sample } = rowsOf(figures, scenario.name, first)
      mkdirSync(images, { recursive: true })
      writeFileSync(
        join(images, `bench-${scenario.name}.svg`),
        drawBars(`${scenario.title}: ${first}, ${sample?.unit ?? ''}`, rows),
      )
      lines.push(`![${scenario.title}](images/bench-${scenario.name}.svg)`, '')
    }
    for (const metric of metrics) lines.push(...table(figures, scenario.name, metric, run.variants))
  }
  console.log(`\n${lines.join('\n')}`)
  if (!run.write) return
  mkdirSync(dirname(kept), { recursive: true })
  writeFileSync(kept, `[\n${figures.map((one) => JSON.stringify(one)).join(',\n')}\n]\n`)
  const page = join(import.meta.dirname, '../../../docs/benchmarks.md')
  const [open, close] = [`<!-- ${run.part} -->\n`, `<!-- /${run.part} -->\n`]
  const [before = '', rest = ''] = readFileSync(page, 'utf8').split(open)
  const [, after = ''] = rest.split(close)
  writeFileSync(page, `${before}${open}${lines.join('\n')}\n${close}${after}`)
}
