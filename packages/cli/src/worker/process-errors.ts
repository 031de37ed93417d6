/**
 * Errors that nobody caught, in a process that belongs to a worker.
 *
 *   rejected promise that nobody awaited ─► logged with the task that made it; the worker goes on
 *   error thrown in a timer, an event …  ─► logged with that task; the worker stops, and its exit code is 1
 *   process.exit() in a task             ─► logged with that task
 *   nobody reads the output any more     ─► nothing: what is printed is lost, and tasks go on
 *
 * Node would end the process for both, at once and with every task that runs in it: one forgotten `await` in one task would cost all the
 * others their work. After a thrown error nobody knows what was left half done, so that the worker finishes what runs (soft shutdown) and
 * leaves it to its supervisor to start a new one.
 */
import { currentTask, type Logger } from '@ct/client'

/** Installs the handlers; returns what takes them away again. `onFatal` is called once for each thrown error. */
export function catchProcessErrors(logger: Logger, onFatal: () => void): () => void {
  const rejected = (error: unknown): void => {
    logger.error(`A promise${taskAtFault('of')} was rejected, and nobody awaited it: ${textOf(error)}`, {
      error,
    })
  }
  const threw = (error: unknown): void => {
    logger.critical(`An error${taskAtFault('of')} was thrown where nobody can catch it: ${textOf(error)}`, {
      error,
    })
    onFatal()
  }
  const ended = (code: number): void => {
    logger.critical(
      `The process ends with exit code ${code}${taskAtFault('by')}, before the worker has stopped. What it held comes again when its lease ends.`,
    )
  }
  process.on('exit', ended)
  process.on('unhandledRejection', rejected)
  process.on('uncaughtException', threw)
  const free = [process.stdout, process.stderr].map(ignoreErrors)
  return () => {
    for (const one of free) one()
    process.off('exit', ended)
    process.off('unhandledRejection', rejected)
    process.off('uncaughtException', threw)
  }
}

/** In place of other listeners: a command that only prints ends with its reader, a worker does not. */
function ignoreErrors(stream: NodeJS.WriteStream): () => void {
  const others = stream.rawListeners('error') as (() => void)[]
  const ignore = (): void => undefined
  for (const other of others) stream.off('error', other)
  stream.on('error', ignore)
  return () => {
    stream.off('error', ignore)
    for (const other of others) stream.on('error', other)
  }
}

/** Node calls the handlers in the context of the code at fault. */
function taskAtFault(word: string): string {
  const task = currentTask()
  return task === undefined ? '' : ` ${word} task ${task.name}[${task.request.id}]`
}

function textOf(error: unknown): string {
  try {
    return error instanceof Error ? error.message : String(error)
  } catch {
    return 'it cannot be shown'
  }
}
