import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'

/** Comments and literals may speak of "any"; types may not use it. */
const notCode = /\/\*[\s\S]*?\*\/|\/\/[^\n]*|'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*"/g

/** Lines of the emitted declarations whose types are `any`, written or inferred. */
export function anyInText(file: string, text: string): string[] {
  const code = text.replace(notCode, (match) => match.replace(/[^\n]/g, ' '))
  return code.split('\n').flatMap((line, index) =>
    // A member may be called `any` (Promise.any's kin): a colon, a question mark or a parenthesis follows its name.
    /(?<![.\w$])any\b(?!\s*[:?(])/.test(line)
      ? [`public type uses any: ${file}:${index + 1}: ${line.trim()}`]
      : [],
  )
}

export function anyInDeclarations(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.d.ts'))
    .flatMap((file) => anyInText(join(folder, file), readFileSync(join(folder, file), 'utf8')))
}
