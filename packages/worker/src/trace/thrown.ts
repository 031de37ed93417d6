import { pythonTraceback, TaskError } from '@ct/contracts'

/**
 * What a handler threw, as something that can be named, stored and shown. JavaScript throws anything: nothing at all, or an object whose
 * members throw when they are read. Left as it is, such a value would break the ending of its task each time it runs, and its caller would
 * wait for a failure that is never stored.
 */
export function thrown(error: unknown): unknown {
  if (error === null || error === undefined) return withoutStack(`the task threw ${String(error)}`)
  try {
    // Reads all that will be read of it: class, name, message, stack, causes.
    if (!(error instanceof TaskError)) pythonTraceback(error)
    return error
  } catch {
    return withoutStack('the task threw an error whose members cannot be read')
  }
}

/** Where it was thrown nobody knows; a stack would tell where it was caught. */
function withoutStack(message: string): Error {
  const error = new Error(message)
  error.stack = `Error: ${message}`
  return error
}
