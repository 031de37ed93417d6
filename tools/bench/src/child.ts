import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'
import { fileURLToPath } from 'node:url'

const runOne = fileURLToPath(new URL('run-one.ts', import.meta.url))

function start(
  args: readonly string[],
  program: string = runOne,
): ChildProcessByStdio<Writable, Readable, null> {
  // Without the condition for sources: what is measured is what users install, the built packages.
  return spawn(process.execPath, ['--expose-gc', '--no-warnings', program, ...args], {
    stdio: ['pipe', 'pipe', 'inherit'],
    env: { ...process.env, NODE_ENV: 'production' },
  })
}

/** Runs one measurement (of `program`, a file like run-one.ts) to its end and returns what it printed. */
export async function runChild<T>(args: readonly (string | number)[], program?: string): Promise<T> {
  const child = start(args.map(String), program)
  child.stdin.end()
  let output = ''
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()))
  const [code] = (await once(child, 'close')) as [number | null]
  if (code !== 0) throw new Error(`${args.join(' ')} ended with ${code}: ${output}`)
  return JSON.parse(output.trim().split('\n').at(-1) ?? 'null') as T
}

export interface Usage {
  readonly rss: number
  readonly heapUsed: number
  readonly cpuSeconds: number
}

/** A worker that serves until it is stopped. */
export interface ServingChild {
  usage(): Promise<Usage>
  stop(): Promise<void>
}

export async function startServing(
  contestant: string,
  url: string,
  concurrency: number,
  program?: string,
): Promise<ServingChild> {
  const child = start([contestant, 'serve', url, String(concurrency)], program)
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const readLine = async (): Promise<string> => {
    const line = await lines.next()
    if (line.done === true) throw new Error(`the worker of ${contestant} ended unexpectedly`)
    return line.value
  }
  while ((await readLine()) !== '"ready"');
  return {
    async usage() {
      child.stdin.write('m')
      return JSON.parse(await readLine()) as Usage
    },
    async stop() {
      const closed = once(child, 'close')
      child.stdin.end()
      await closed
    },
  }
}
