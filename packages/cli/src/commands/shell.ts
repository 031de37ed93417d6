/** `ct shell` (CLI-33): Node's own prompt with the app, its tasks and the canvas in scope. */
import { once } from 'node:events'
import { start } from 'node:repl'
import { Writable } from 'node:stream'
import type { Command } from 'commander'
import { chain, chord, group, type App } from '@ct/client'
import { loadModules } from '../load-modules.ts'
import type { Session } from '../session.ts'

export function addShell(program: Command, session: Session): void {
  program
    .command('shell')
    .description('a prompt of Node that knows the app, its tasks and the canvas')
    .option('-T, --without-tasks', 'without the tasks of the app')
    .action(async (options: { readonly withoutTasks?: boolean }) => {
      const { app, module } = await session.found()
      await loadModules(app, module, [])
      const names = { ...scope(app), ...(options.withoutTasks === true ? {} : tasksOf(app)) }
      const { stdin } = session.options
      const terminal = stdin === undefined && process.stdin.isTTY
      session.tell(
        `ct ${session.options.version}, Node ${process.versions.node}. In scope: ${Object.keys(names).join(', ')}. Leave with .exit.`,
      )
      const repl = start({
        prompt: terminal ? 'ct> ' : '',
        input: stdin ?? process.stdin,
        output: terminal ? process.stdout : outputOf(session),
        terminal,
        preview: false,
        useColors: session.style.coloured,
      })
      Object.assign(repl.context, names)
      await once(repl, 'exit')
    })
}

function scope(app: App): Record<string, unknown> {
  return { app, celery: app, chain, group, chord, signature: app.signature.bind(app) }
}

/** By the last part of their names, as Python's modules have them; Celery's own and those that hide something are left out. */
function tasksOf(app: App): Record<string, unknown> {
  const found: Record<string, unknown> = {}
  for (const task of app.tasks) {
    const { name } = task
    const short = name.slice(name.lastIndexOf('.') + 1)
    if (name.startsWith('celery.') || !/^[A-Za-z_$][\w$]*$/.test(short) || short in globalThis) continue
    if (!(short in scope(app))) found[short] ??= task
  }
  return found
}

function outputOf(session: Session): Writable {
  return new Writable({
    write(chunk: Buffer, _encoding, done) {
      session.stdout.write(chunk.toString())
      done()
    },
  })
}
