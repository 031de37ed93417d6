/**
 * What of a page can be run. The words behind the language of a code block say it:
 *
 *   ts tasks.ts               a file of the page's project: type-checked
 *   ts main.ts run            the same, then run with Node; `// → text` at the ends of lines is the output, in order
 *   python tasks.py           a file; Python's environment has Celery
 *   console run               lines that begin with `$ ` are run by a shell, the lines below each are its output
 *   console serve             one such line, which stays running until the page ends, or until it is served again; its output
 *                             says when it is ready
 *
 * A file of the same name later in the page replaces the earlier one. In output `…` stands for anything within a line, and a line
 * of it alone for any lines. `redis://localhost` becomes a database of the test server, `amqp://localhost` a virtual host. Blocks of other languages, and `console`
 * or `sh` without a word, are for readers only; TypeScript is never.
 */
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Fence, fencesIn } from './fences.ts'

export const workspace: string = fileURLToPath(new URL('../../..', import.meta.url))

export interface FileStep {
  readonly kind: 'file'
  readonly line: number
  readonly name: string
  readonly text: string
  readonly run: boolean
}

export interface ConsoleStep {
  readonly kind: 'console'
  readonly line: number
  /** Stays running until the page ends. */
  readonly serve: boolean
  readonly commands: readonly { readonly command: string; readonly output: readonly string[] }[]
}

export type Step = FileStep | ConsoleStep

export type Need = 'nothing' | 'redis' | 'rabbitmq' | 'python'

export interface Page {
  /** Relative to the repository. */
  readonly path: string
  readonly steps: readonly Step[]
  /** What running it takes. */
  readonly need: Need
}

/** Languages whose blocks are files when they have a name. */
const fileLanguages = new Set(['ts', 'js', 'python', 'json'])
/** Languages whose blocks must be files: what looks like code of ct has to be true. */
const alwaysFiles = new Set(['ts', 'js', 'typescript', 'javascript'])

export function pageOf(path: string, markdown: string): Page {
  const steps = fencesIn(markdown).flatMap((fence) => stepsOf(path, fence))
  return { path, steps, need: needOf(steps) }
}

/** The pages a reader meets: README files and everything below `docs`. */
export function pages(): Page[] {
  return globSync(['README.md', 'packages/*/README.md', 'docs/**/*.md'], { cwd: workspace })
    .filter((path) => !path.includes('node_modules'))
    .sort()
    .map((path) => pageOf(path.replaceAll('\\', '/'), readFileSync(join(workspace, path), 'utf8')))
}

function stepsOf(path: string, fence: Fence): Step[] {
  const { language, words, line } = fence
  if (language === 'console') {
    if (words.length === 0) return []
    const [mode] = words
    if (words.length > 1 || (mode !== 'run' && mode !== 'serve'))
      throw new Error(
        `${path}:${line}: a console block is "run", "serve" or nothing, not "${words.join(' ')}"`,
      )
    return [{ kind: 'console', line, serve: mode === 'serve', commands: commandsIn(fence.text) }]
  }
  const [name, ...more] = words
  if (name === undefined) {
    if (alwaysFiles.has(language))
      throw new Error(
        `${path}:${line}: a ${language} block needs a file name, e.g. "${language} tasks.${language}"`,
      )
    return []
  }
  if (!fileLanguages.has(language) || !name.includes('.') || more.some((word) => word !== 'run'))
    throw new Error(`${path}:${line}: cannot make out "${[language, ...words].join(' ')}"`)
  return [{ kind: 'file', line, name, text: fence.text, run: more.includes('run') }]
}

function commandsIn(text: string): ConsoleStep['commands'] {
  const commands: { command: string; output: string[] }[] = []
  for (const line of text.split('\n').slice(0, -1)) {
    const last = commands.at(-1)
    if (line.startsWith('$ ')) commands.push({ command: line.slice(2), output: [] })
    else if (last !== undefined && last.output.length === 0 && last.command.endsWith('\\'))
      last.command += `\n${line}`
    else last?.output.push(line)
  }
  return commands
}

function needOf(steps: readonly Step[]): Need {
  if (!steps.some((step) => step.kind === 'console' || step.run)) return 'nothing'
  const texts = steps.flatMap((step) =>
    step.kind === 'file' ? [step.text] : step.commands.map(({ command }) => command),
  )
  if (texts.some((text) => /^(?:python|celery)\b/m.test(text)) || steps.some(isRunPython)) return 'python'
  if (texts.some((text) => text.includes('amqp://localhost'))) return 'rabbitmq'
  return texts.some((text) => text.includes('redis://localhost')) ? 'redis' : 'nothing'
}

function isRunPython(step: Step): boolean {
  return step.kind === 'file' && step.run && step.name.endsWith('.py')
}
