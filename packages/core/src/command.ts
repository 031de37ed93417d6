/** What `bin/ct.js` runs. */
import { pathToFileURL } from 'node:url'
import { runCli } from '@ct/cli'
import { createApp, type App } from './app.ts'
import { ask } from './ask.ts'
import { searchFrom } from './find-adapter.ts'
import { findCommands } from './find-commands.ts'
import { version } from './version.ts'

/** Runs one command and ends the process with its exit code. */
export async function main(argv: readonly string[], app?: App): Promise<never> {
  let exitCode = 0
  // `ct inspect stats | head`: whoever read the output has enough.
  process.stdout.on('error', (error: NodeJS.ErrnoException) =>
    process.exit(error.code === 'EPIPE' ? exitCode : 1),
  )
  process.stderr.on('error', () => undefined)
  const terminal = process.stdin.isTTY && process.stdout.isTTY
  exitCode = await runCli(argv, {
    createApp,
    version,
    app: app === undefined ? undefined : { app, module: mainModule() },
    ask: terminal ? (question) => ask(question) : undefined,
    onModule: searchFrom,
    commands: findCommands,
  })
  await flushed(process.stdout)
  await flushed(process.stderr)
  // The module of `-A` may have opened what nobody closes (a database, a server); a command that is done ends all the same.
  process.exit(exitCode)
}

/** Where the tasks of a program are that runs the command itself. */
function mainModule(): string | undefined {
  const [, file] = process.argv
  return file === undefined ? undefined : pathToFileURL(file).href
}

/** Pipes are written in the background; `process.exit()` would cut them off. */
function flushed(stream: NodeJS.WriteStream): Promise<void> {
  return new Promise((resolve) => {
    stream.write('', () => resolve())
  })
}
