/** One parameter as a function's source tells it. `name` is undefined for a destructured one. */
export interface SourceParameter {
  readonly name: string | undefined
  readonly optional: boolean
  readonly rest: boolean
}

/**
 * Reads the parameter list from a function's source, or undefined where it cannot be trusted: bound and native functions,
 * classes, minified code (names mean nothing there), defaults too odd to read.
 */
export function readParameters(fn: (...args: never[]) => unknown): readonly SourceParameter[] | undefined {
  const source = Function.prototype.toString.call(fn)
  const single = /^(?:async\s+)?([\p{ID_Start}$_][\p{ID_Continue}$]*)(\s*)=>/u.exec(source)
  if (single !== null)
    return single[2] === '' ? undefined : [{ name: single[1], optional: false, rest: false }]
  if (/^(?:class\b|\[|(?:async\s*)?\*?\s*\[)/.test(source)) return undefined
  const open = source.indexOf('(')
  if (open < 0) return undefined
  const list = splitParameters(source, open + 1)
  if (list === undefined) return undefined
  const after = source.slice(list.end + 1)
  // Formatters put a blank before the arrow and the brace, minifiers never do. Native code has no body to read.
  if (/^(=>|\{)/.test(after) || /^\s*\{\s*\[native code\]/.test(after)) return undefined
  return list.parameters.map(parameterFrom)
}

function parameterFrom(text: string): SourceParameter {
  const match = /^(\.\.\.)?\s*([\p{ID_Start}$_][\p{ID_Continue}$]*)\s*(=|$)/u.exec(text)
  if (match === null)
    return { name: undefined, optional: /^[^=]*[}\]]\s*=/s.test(text), rest: text.startsWith('...') }
  return { name: match[2], optional: match[3] === '=', rest: match[1] !== undefined }
}

interface ParameterTexts {
  readonly parameters: readonly string[]
  /** Index of the closing parenthesis. */
  readonly end: number
}

function splitParameters(source: string, start: number): ParameterTexts | undefined {
  const parameters: string[] = []
  let text = ''
  let depth = 0
  for (let at = start; at < source.length; at++) {
    const char = source[at]!
    if (char === '/' && (source[at + 1] === '*' || source[at + 1] === '/')) {
      const end = source[at + 1] === '*' ? source.indexOf('*/', at + 2) + 1 : source.indexOf('\n', at)
      if (end <= 0) return undefined
      at = end
      text += ' '
    } else if (char === '/' && /[=(,[:!&|?]\s*$/.test(text)) {
      return undefined // A regular expression: where it ends is not worth finding out.
    } else if (char === "'" || char === '"' || char === '`') {
      const end = endOfString(source, at)
      if (end === undefined) return undefined
      text += source.slice(at, end + 1)
      at = end
    } else if (depth === 0 && (char === ',' || char === ')')) {
      if (text.trim() !== '') parameters.push(text.trim())
      if (char === ')') return { parameters, end: at }
      text = ''
    } else {
      if (char === '(' || char === '[' || char === '{') depth++
      if (char === ')' || char === ']' || char === '}') depth--
      text += char
    }
  }
  return undefined
}

/** Index of the closing quote; templates with expressions are given up. */
function endOfString(source: string, start: number): number | undefined {
  const quote = source[start]
  for (let at = start + 1; at < source.length; at++) {
    if (source[at] === '\\') at++
    else if (source[at] === quote) return at
    else if (quote === '`' && source[at] === '$' && source[at + 1] === '{') return undefined
  }
  return undefined
}
