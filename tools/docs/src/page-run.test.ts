import { afterEach, describe, expect, it } from 'vitest'
import { pageOf } from './page.ts'
import { PageRun } from './page-run.ts'

const fenced = (info: string, text: string): string => `\`\`\`${info}\n${text}\n\`\`\`\n`

describe('running a page', () => {
  let run: PageRun | undefined
  afterEach(async () => {
    await run?.close()
    run = undefined
  })

  async function runs(markdown: string): Promise<void> {
    const page = pageOf('x.md', markdown)
    run = new PageRun(page)
    for (const step of page.steps) await run.step(step)
  }

  it('runs TypeScript as it is and compares what it prints', async () => {
    await runs(
      fenced('ts sum.ts', 'export const sum = (a: number, b: number): number => a + b') +
        fenced('ts main.ts run', "import { sum } from './sum.ts'\nconsole.log(sum(1, 2)) // → 3"),
    )
  })

  it('fails on other output, on a failure, and on a command that is not there', async () => {
    await expect(runs(fenced('ts a.ts run', 'console.log(1) // → 2'))).rejects.toThrow(
      /should print\n\n2\n\nbut printed\n\n1/,
    )
    await expect(runs(fenced('ts a.ts run', "throw new Error('no')"))).rejects.toThrow(
      /ended with 1\n[\s\S]*Error: no/,
    )
    await expect(runs(fenced('console run', '$ no-such-command-here'))).rejects.toThrow('ended with 127')
  })

  it('knows an exit code that is expected', async () => {
    await runs(fenced('console run', '$ echo out; exit 3\nout\nexit code 3'))
  })

  it('keeps a served command until the page ends', async () => {
    await runs(
      fenced(
        'ts server.ts',
        "setInterval(() => undefined, 1000)\nprocess.on('SIGTERM', () => process.exit(0))\nconsole.log('now ready')",
      ) + fenced('console serve', '$ node server.ts\nnow ready'),
    )
  })

  it('fails when a served command ends before it is ready', async () => {
    await expect(runs(fenced('console serve', '$ echo never\nready'))).rejects.toThrow(
      /ended with 0; wanted\n\nready\n\nbut got\n\nnever/,
    )
  })
})
