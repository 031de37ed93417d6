/** `ct graph bootsteps` (CLI-31): the steps of a worker and its consumer, in their order. */
import type { Command } from 'commander'
import { bootstepGraph } from '@ct/worker'
import { CommandFailure, exitCodes } from '../exit-codes.ts'
import type { Session } from '../session.ts'
import { drawAs, formatOf, type Drawing } from './drawing.ts'

const blueprints = ['worker', 'consumer'] as const

export function addGraphBootsteps(graph: Command, session: Session): void {
  graph
    .command('bootsteps')
    .description('draw the bootsteps of a worker and its consumer, those of the app among them')
    .argument('[blueprints...]', 'worker, consumer, or both')
    .action(async (words: readonly string[]) => {
      const wanted = new Set(words.map((word) => word.toLowerCase()))
      const unknown = [...wanted].find((word) => !(blueprints as readonly string[]).includes(word))
      if (unknown !== undefined)
        throw new CommandFailure(`"${unknown}" is none of: ${blueprints.join(', ')}.`, exitCodes.usage)
      const shown = blueprints.filter((one) => wanted.size === 0 || wanted.has(one))
      session.print(drawAs(formatOf(graph), drawing(bootstepGraph(await session.app()), shown)))
    })
}

/** What a step waits for is below it; where nothing is required, steps follow each other as they start. */
function drawing(
  steps: ReturnType<typeof bootstepGraph>,
  shown: readonly (typeof blueprints)[number][],
): Drawing {
  const id = (blueprint: string, name: string): string => `${blueprint}_${name.replaceAll(/\W/g, '_')}`
  const parts = shown.map((blueprint) => steps.filter((step) => step.blueprint === blueprint))
  const inside = parts.flatMap((part) =>
    part.flatMap(({ blueprint, name, requires }, index) => {
      const before = part[index - 1]
      const from = requires.length > 0 || before === undefined ? requires : [before.name]
      return from.map((one) => ({ from: id(blueprint, name), to: id(blueprint, one) }))
    }),
  )
  const [worker, consumer] = parts
  const last = worker?.at(-1)
  const first = consumer?.[0]
  return {
    name: 'bootsteps',
    nodes: parts.flat().map(({ blueprint, name, added }) => ({
      id: id(blueprint, name),
      label: name,
      shape: blueprint === 'worker' ? ('box' as const) : ('oval' as const),
      fill: added ? 'gold1' : blueprint === 'worker' ? 'darkseagreen3' : 'lightcyan3',
    })),
    edges:
      last === undefined || first === undefined
        ? inside
        : [...inside, { from: id('consumer', first.name), to: id('worker', last.name) }],
  }
}
