/** Words of a line, as a shell splits them: quotes keep spaces, a backslash keeps what follows; undefined: a quote is not closed. */
export function splitWords(line: string): string[] | undefined {
  const words: string[] = []
  let word: string | undefined
  let quote: string | undefined
  for (let at = 0; at < line.length; at++) {
    const char = line[at] as string
    if (char === '\\' && quote !== "'" && at + 1 < line.length) word = (word ?? '') + line[++at]
    else if (quote !== undefined) {
      if (char === quote) quote = undefined
      else word += char
    } else if (char === '"' || char === "'") {
      quote = char
      word ??= ''
    } else if (/\s/.test(char)) {
      if (word !== undefined) words.push(word)
      word = undefined
    } else word = (word ?? '') + char
  }
  if (quote !== undefined) return undefined
  if (word !== undefined) words.push(word)
  return words
}
