/** Runs trees in fleets of Python, of ct and of both, and finds what differs. */
import { differences } from './compare.ts'
import { Fleet, type BrokerKind, type FleetKind } from './fleet.ts'
import { generate, type GenerateOptions } from './generate.ts'
import { masked, mayHang, withoutJoinOrder, withoutLateRetries } from './masks.ts'
import type { Outcome } from './outcome.ts'
import { shrink } from './shrink.ts'
import { textOf, type Tree } from './tree.ts'

export interface JudgeOptions {
  readonly broker: BrokerKind
  /** Before those of the seeds. */
  readonly known?: readonly Tree[]
  /** Seed of the first tree; the others follow. */
  readonly seed: number
  readonly trees: number
  /** Whose defaults ct follows: with Celery's nothing is masked. */
  readonly defaults?: 'ct' | 'celery'
  /** Trees at once; default 100. */
  readonly batch?: number
  /** Reduce what differs; default true. */
  readonly shrinks?: boolean
  readonly generate?: GenerateOptions
  readonly log?: (line: string) => void
}

export interface Difference {
  readonly tree: Tree
  /** As generated; `tree` may be smaller. */
  readonly seed: number
  readonly lines: readonly string[]
}

export interface JudgeReport {
  readonly options: JudgeOptions
  readonly trees: number
  readonly runs: number
  /** Tasks that ran in the Python fleet. */
  readonly calls: number
  /** Trees that Python could not build or send. */
  readonly refused: number
  readonly differences: readonly Difference[]
  /** Python itself came to different outcomes: a race of its own. */
  readonly undecided: readonly Tree[]
}

type Judged = readonly Outcome[]

export async function judge(options: JudgeOptions): Promise<JudgeReport> {
  const { broker, seed, trees: count, defaults = 'ct', batch = 100, shrinks = true, log = () => {} } = options
  await using stack = new AsyncDisposableStack()
  const kinds: readonly FleetKind[] = ['python', 'ct', 'mixed']
  const fleets = await Promise.all(
    kinds.map(async (kind) => stack.use(await Fleet.start({ kind, broker, defaults }))),
  )
  let runs = 0
  // RabbitMQ itself drops a message that is too late, unless a consumer happens to be waiting for one.
  const generating = { ...(broker === 'rabbitmq' ? { expires: false } : {}), ...options.generate }
  const run = async (trees: readonly Tree[]): Promise<Judged[]> => {
    runs += trees.length * fleets.length
    const byFleet = await Promise.all(fleets.map((fleet) => fleet.judge(trees)))
    return trees.map((_, index) => byFleet.map((outcomes) => outcomes[index]!))
  }
  const linesOf = (tree: Tree, judged: Judged): string[] => {
    const [python, ...others] = judged as readonly [Outcome, ...Outcome[]]
    // What Python cannot build or send has no outcome; ct may make sense of it.
    if (python.error !== undefined) return []
    return others.flatMap((outcome, at) => {
      const kind = kinds[at + 1]!
      const seen = defaults === 'ct' && mayHang(tree.root) ? masked(outcome, python, tree.root) : outcome
      const [ours, theirs] = withoutJoinOrder(...withoutLateRetries(seen, python, kind === 'mixed'))
      const handle = kind === 'mixed' && tree.sentBy === 'py' ? 'whole' : 'end'
      return differences(theirs, ours, ['python', kind], { handle })
    })
  }
  const found: Difference[] = []
  const undecided: Tree[] = []
  let [calls, refused] = [0, 0]
  const known = options.known ?? []
  for (let at = 0; at === 0 || at < count; at += batch) {
    const generated = Array.from({ length: Math.min(batch, count - at) }, (_, n) =>
      generate(seed + at + n, generating),
    )
    const trees = at === 0 ? [...known, ...generated] : generated
    const judged = await run(trees)
    for (const [python] of judged) {
      calls += python!.calls.length
      if (python!.error !== undefined) refused += 1
    }
    const suspects = trees.filter((tree, index) => linesOf(tree, judged[index]!).length > 0)
    if (suspects.length === 0) continue
    // Once more, and once more: what differs by a race of Python's own is not ct's.
    const rounds = [
      judged.filter((_, index) => suspects.includes(trees[index]!)),
      await run(suspects),
      await run(suspects),
    ]
    for (const [index, tree] of suspects.entries()) {
      const three = rounds.map((round) => round[index]!)
      const same = three.every((outcomes) => {
        const [one, other] = withoutLateRetries(three[0]![0]!, outcomes[0]!, true)
        return differences(one, other, ['', '']).length === 0
      })
      if (!same) {
        undecided.push(tree)
        continue
      }
      log(`differs: ${tree.seed} ${textOf(tree.root)}`)
      const shows = async (candidates: readonly Tree[]): Promise<boolean[]> =>
        (await run(candidates)).map((outcomes, which) => linesOf(candidates[which]!, outcomes).length > 0)
      const always = three.every((outcomes) => linesOf(tree, outcomes).length > 0)
      const smallest = shrinks && always ? await shrink(tree, shows) : tree
      const lines =
        smallest === tree
          ? three.flatMap((outcomes) => linesOf(tree, outcomes))
          : linesOf(smallest, (await run([smallest]))[0]!)
      found.push({ tree: smallest, seed: tree.seed, lines: [...new Set(lines)] })
    }
  }
  return { options, trees: count + known.length, runs, calls, refused, differences: found, undecided }
}

/** As people read it. */
export function summarize(report: JudgeReport): string {
  const { options, trees, runs, calls, refused, differences: found, undecided } = report
  const head = `judge on ${options.broker}, seeds ${options.seed}…${options.seed + options.trees - 1}, ${options.defaults ?? 'ct'} defaults: ${trees} trees, ${runs} runs, ${calls} calls in Python, which refused ${refused}; ${found.length} differ, ${undecided.length} undecided`
  return [
    head,
    ...found.flatMap(({ tree, seed, lines }) => [
      `  ${seed} (built by ${tree.builtBy}, sent by ${tree.sentBy}${tree.args.length > 0 ? `, args ${tree.args.join()}` : ''}): ${textOf(tree.root)}`,
      ...lines.slice(0, 12).map((line) => `      ${line}`),
    ]),
    ...undecided.map((tree) => `  undecided: ${tree.seed} ${textOf(tree.root)}`),
  ].join('\n')
}
