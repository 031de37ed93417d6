/** Options of Node that are about the program that the worker is, or about a port that only one process can have; with a value behind them or not. */
const notForChildren: readonly (readonly [option: RegExp, takesNext: boolean])[] = [
  [/^--inspect-port$|^--debug-port$/, true],
  [/^--inspect\b/, false],
  [/^(?:-e|--eval|-p|--print|-pe|--input-type)$/, true],
  [/^--(?:eval|print|input-type)=|^(?:-i|--interactive)$/, false],
]

/** Those of a worker's process that its children have too: else each child would run what was given with `-e`, pool and all. */
export function childOptions(options: readonly string[]): string[] {
  const left: string[] = []
  for (let at = 0; at < options.length; at++) {
    const option = options[at]!
    const found = notForChildren.find(([pattern]) => pattern.test(option))
    if (found === undefined) left.push(option)
    else if (found[1] && options[at + 1]?.startsWith('-') === false) at += 1
  }
  return left
}
