/** A fenced code block of a Markdown page. */
export interface Fence {
  /** Line of the page (from 1) on which its text begins. */
  readonly line: number
  /** First word of the info string, e.g. `ts`. */
  readonly language: string
  /** The other words. */
  readonly words: readonly string[]
  readonly text: string
}

/** All fenced blocks of a page, in order. Fences may be indented (in lists) and longer than three characters. */
export function fencesIn(markdown: string): Fence[] {
  const fences: Fence[] = []
  const lines = markdown.split('\n')
  for (let at = 0; at < lines.length; at++) {
    const open = /^(\s*)(`{3,}|~{3,})([^`]*)$/.exec(lines[at] ?? '')
    if (open === null) continue
    const [, indent = '', mark = '', info = ''] = open
    const start = at + 1
    const text: string[] = []
    for (at = start; at < lines.length; at++) {
      const line = lines[at] ?? ''
      if (line.trim().startsWith(mark) && line.trim().replaceAll(mark[0] ?? '`', '') === '') break
      text.push(line.startsWith(indent) ? line.slice(indent.length) : line.trimStart())
    }
    if (at === lines.length) throw new Error(`the code block of line ${start} has no end`)
    const [language = '', ...words] = info.trim().split(/\s+/)
    fences.push({ line: start + 1, language, words, text: text.map((line) => `${line}\n`).join('') })
  }
  return fences
}
