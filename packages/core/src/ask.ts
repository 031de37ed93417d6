import { createInterface } from 'node:readline/promises'

/** Asks on the terminal. Ctrl-D and Ctrl-C are an empty answer. */
export async function ask(
  question: string,
  input: NodeJS.ReadableStream = process.stdin,
  output: NodeJS.WritableStream = process.stdout,
): Promise<string> {
  const lines = createInterface({ input, output })
  // Node answers a question that nobody can answer any more by nothing at all.
  const { promise: none, resolve } = Promise.withResolvers<string>()
  lines.once('close', () => {
    output.write('\n')
    resolve('')
  })
  const answer = await Promise.race([lines.question(question), none])
  lines.removeAllListeners('close')
  lines.close()
  return answer
}
