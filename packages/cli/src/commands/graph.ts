import { type Command, Option } from 'commander'
import { resultFromTuple, type App, type ResultNode } from '@ct/client'
import { CommandFailure } from '../exit-codes.ts'
import type { Session } from '../session.ts'
import { reachBackend } from './reach-backend.ts'

interface GraphCommandOptions {
  readonly format: 'mermaid' | 'dot'
  readonly group?: boolean
  readonly intermediate?: boolean
}

/** `ct graph ID`: draws what a task sent, and what that sent, from the stored results (CANVAS-90). */
export function addGraph(program: Command, session: Session): Command {
  return program
    .command('graph')
    .description('draw the tasks that a task has sent, as Mermaid or DOT')
    .argument('<id>', 'id of a task, or with --group of a saved group; or a handle as JSON')
    .addOption(
      new Option('-f, --format <format>', 'mermaid, or dot for Graphviz')
        .choices(['mermaid', 'dot'])
        .default('mermaid'),
    )
    .option('-g, --group', 'the id is that of a group that was saved')
    .option('-i, --intermediate', 'also when not everything is finished')
    .action(async (id: string, options: GraphCommandOptions) => {
      const app = await session.app()
      await reachBackend(app)
      const result =
        options.group === true
          ? await app.groupResult(id)
          : id.startsWith('[')
            ? handleFrom(app, id)
            : app.asyncResult(id)
      if (result === undefined)
        throw new CommandFailure(`No group ${id} is saved. Groups are saved by result.save().`)
      const graph = await result.buildGraph({ intermediate: options.intermediate ?? false, parents: true })
      session.print((options.format === 'dot' ? graph.toDot() : graph.toMermaid()).trimEnd())
    })
}

/** What `JSON.stringify(result)` gave, or Python's `json.dumps(result.as_tuple())`: an id does not know its parents. */
function handleFrom(app: App, text: string): ResultNode {
  try {
    return resultFromTuple(JSON.parse(text), app)
  } catch (cause) {
    throw new CommandFailure(
      `${text.slice(0, 60)} is no handle of a result, such as JSON.stringify(result) gives.`,
      undefined,
      { cause },
    )
  }
}
