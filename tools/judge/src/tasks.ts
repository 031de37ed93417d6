/** The tasks of the judge's ct workers; python/judge_tasks.py has the same. */
import { Ignore, type App, type Signature, type TaskContext, type TaskRequest } from '@ct/client'
import { build } from './build.ts'
import type { JournalEntry } from './journal.ts'
import type { How, Node } from './tree.ts'

interface Spec {
  readonly run: string
  readonly tag: string
  readonly how?: How
  readonly n?: number
  readonly times?: number
  readonly with?: Node
}

class ValueError extends Error {
  override readonly name = 'ValueError'
}

/** The sum of all numbers in it, however deep. */
export function total(value: unknown): number {
  if (typeof value === 'number') return value
  return Array.isArray(value) ? value.reduce<number>((sum, one) => sum + total(one), 0) : 0
}

/** ct says it in other words. */
async function added(task: TaskContext, signature: Signature): Promise<void> {
  try {
    await task.addToChord(signature)
  } catch (error) {
    if (!/is not a member of a chord/.test((error as Error).message)) throw error
    throw new ValueError('Current task is not member of any chord')
  }
}

export function register(app: App, note: (entry: JournalEntry) => void): void {
  app.task(
    'judge.work',
    { bind: true, maxRetries: 5, params: ['...args', '**spec'] },
    async (task: TaskContext, spec: Spec, ...args: unknown[]): Promise<unknown> => {
      const { run, tag, how = 'sum', n = 0, times = 0 } = spec
      const { id, retries, parentId, stamps } = task.request
      note({
        run,
        tag,
        id,
        args,
        retries,
        parent: parentId ?? null,
        lang: 'ct',
        stamps: Object.keys(stamps ?? {}),
      })
      if (how === 'fail') throw new ValueError(`boom ${tag}`)
      if (how === 'ignore') throw new Ignore()
      if (how === 'retry' && retries < times)
        throw task.retry({ countdown: 0, exc: new ValueError(`again ${tag}`) })
      if (how === 'spent')
        throw task.retry({ countdown: 0, maxRetries: times, exc: new ValueError(`spent ${tag}`) })
      if (how === 'replace') throw task.replace(build(task.app, spec.with!, run))
      if (how === 'extend') await added(task, build(task.app, spec.with!, run) as Signature)
      if (how === 'echo') return [...args, n]
      return how === 'none' ? null : total(args) + n
    },
  )
  app.task(
    'judge.errback',
    { params: ['task_id', 'run', 'tag'] },
    (failed: string, run: string, tag: string) => {
      note({ run, tag, id: null, args: [failed], retries: 0, parent: null, lang: 'ct' })
      return null
    },
  )
  const any = ({ run, tag }: { run: string; tag: string }, ...args: readonly unknown[]): null => {
    const [first] = args as readonly [(string | TaskRequest)?]
    const failed = typeof first === 'object' ? first.id : (first ?? null)
    note({ run, tag, id: null, args: [failed], retries: 0, parent: null, lang: 'ct' })
    return null
  }
  app.task('judge.errany', { params: ['...args', '**spec'] }, any)
  app.task(
    'judge.errbroken',
    { params: ['...args', '**spec'] },
    (spec: { run: string; tag: string }, ...args: readonly unknown[]) => {
      any(spec, ...args)
      throw new ValueError(`broken ${spec.tag}`)
    },
  )
  app.task('judge.item', (x: number, y = 0) => {
    if (x < 0) throw new ValueError(`item ${x}`)
    return 2 * x + y
  })
}
