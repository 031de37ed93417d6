import { pythonIdentity } from './python-identity.ts'
import { pyRepr, pyStr } from './python-repr.ts'

/** `ValueError: bad`, with the module in front unless it is a builtin: the last line of a Python traceback. */
export function exceptionLine(error: unknown): string {
  const { excType, excModule, args } = pythonIdentity(error)
  const name = excModule === 'builtins' ? excType : `${excModule}.${excType}`
  const message = exceptionMessage(excType, args)
  return message === '' ? name : `${name}: ${message}`
}

/** `str(exception)` as Python makes it from the arguments. */
export function exceptionMessage(excType: string, args: readonly unknown[]): string {
  if (args.length === 0) return ''
  if (args.length > 1) return '(' + args.map((arg) => pyRepr(arg)).join(', ') + ')'
  return excType === 'KeyError' ? pyRepr(args[0]) : pyStr(args[0])
}

const v8Frame = /^\s*at (?:(.*?) \()?(?:file:\/\/)?(.+?):(\d+):\d+\)?$/

/**
 * A JavaScript stack in the layout of a Python traceback, which Python tools show and some parse: innermost call last, causes first. A text that came
 * from a remote worker (`error.traceback`) is returned as it is. At most 64 frames a cause and 16 causes.
 */
export function pythonTraceback(error: unknown): string {
  const parts: string[] = []
  const seen = new Set<unknown>()
  let current: unknown = error
  while (current !== undefined && current !== null && !seen.has(current) && parts.length < 16) {
    seen.add(current)
    parts.unshift(oneTraceback(current))
    current = typeof current === 'object' ? causeOf(current) : undefined
  }
  return parts.join('\nThe above exception was the direct cause of the following exception:\n\n')
}

function causeOf(error: object): unknown {
  const cause = (error as { cause?: unknown }).cause
  return typeof cause === 'object' ? cause : undefined
}

function oneTraceback(error: unknown): string {
  const remote = (error as { traceback?: unknown }).traceback
  if (typeof remote === 'string' && remote !== '') return remote.endsWith('\n') ? remote : remote + '\n'
  const frames = stackOf(error)
    .split('\n', 500)
    .map((line) => v8Frame.exec(line))
    .filter((match) => match !== null)
    .slice(0, 64)
    .map((match) => `  File "${match[2]}", line ${match[3]}, in ${match[1] ?? '<module>'}\n`)
  return 'Traceback (most recent call last):\n' + frames.toReversed().join('') + exceptionLine(error) + '\n'
}

function stackOf(error: unknown): string {
  const stack = (error as { stack?: unknown }).stack
  return typeof stack === 'string' ? stack : ''
}
