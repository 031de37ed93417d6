/** Errors as data that can be cloned, and back: on the other side they are of the class they were, where it is one of ct's. */
import { CeleryError, isCeleryError, type ErrorCode } from '../errors.ts'
import { decodeException, TaskError } from '../protocol/index.ts'

export interface ErrorData {
  readonly name: string
  readonly message: string
  readonly stack: string | undefined
  /** Of ct's own errors. */
  readonly code?: ErrorCode
  readonly retryable?: boolean
  /** Of errors that a task can end with. */
  readonly python?: {
    readonly excType: string
    readonly excModule: string
    readonly args: readonly unknown[]
  }
}

/** Never throws, whatever it is given. */
export function errorData(error: unknown): ErrorData {
  try {
    if (!(error instanceof Error)) return { name: 'Error', message: String(error), stack: undefined }
    const { name, message, stack } = error
    const plain = {
      name: String(name),
      message: String(message),
      stack: stack === undefined ? stack : String(stack),
    }
    if (!isCeleryError(error)) return plain
    const ours = { ...plain, code: error.code, retryable: error.retryable }
    if (!(error instanceof TaskError)) return ours
    const { excType, excModule, args } = error
    return { ...ours, python: { excType, excModule, args: args.filter(isSimple) } }
  } catch {
    return { name: 'Error', message: 'an error whose members cannot be read', stack: undefined }
  }
}

export function errorFrom(data: ErrorData): Error {
  const error = make(data)
  if (data.stack !== undefined) error.stack = data.stack
  return error
}

function make({ name, message, code, retryable, python }: ErrorData): Error {
  if (python !== undefined) {
    return decodeException({
      exc_type: python.excType,
      exc_message: python.args,
      exc_module: python.excModule,
    })
  }
  if (code !== undefined) return new CeleryError(code, message, { retryable: retryable ?? false })
  const error = new Error(message)
  if (name !== 'Error')
    Object.defineProperty(error, 'name', { value: name, configurable: true, writable: true })
  return error
}

function isSimple(value: unknown): boolean {
  return value === null || ['string', 'number', 'boolean', 'bigint'].includes(typeof value)
}
