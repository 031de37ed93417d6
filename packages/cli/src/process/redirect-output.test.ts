import { createApp, runInTask, type Logger } from '@ct/client'
import { describe, expect, it } from 'vitest'
import { redirectOutput, type Redirected } from './redirect-output.ts'

describe('WORK-23: what tasks print', () => {
  it('is logged line by line, with its task; what the logger writes is let through', async () => {
    const written: string[] = []
    const stream: Redirected = { write: ((text: string) => written.push(text) > 0) as never }
    const lines: unknown[][] = []
    const logger: Logger = {
      debug: () => {},
      info: () => {},
      warn: (...line) => {
        lines.push(line)
        stream.write(`logged ${line[0]}\n`)
      },
      error: () => {},
      critical: () => {},
      child: () => logger,
    }
    const stop = redirectOutput(logger, 'WARNING', [stream])
    stream.write('one\ntw')
    stream.write(Buffer.from('o\n'))
    await new Promise<void>((resolve) => {
      stream.write('\n', () => resolve())
    })
    const app = createApp({ logger })
    const context = { app, name: 'proj.add', request: { id: 'x1', rootId: 'r1' } } as never
    runInTask({ context, children: undefined }, () => stream.write('from a task\n'))
    // Dots of a progress bar are no line, and take no memory without bounds.
    for (let dots = 0; dots < 20; dots++) stream.write('.'.repeat(1000))
    expect(lines.splice(3)).toEqual([['.'.repeat(17_000), undefined]])
    written.pop()
    stream.write('\nhalf')
    expect(lines.splice(3)).toEqual([['.'.repeat(3_000), undefined]])
    written.pop()
    stop()
    stream.write('free')
    expect(lines).toEqual([
      ['one', undefined],
      ['two', undefined],
      ['from a task', { taskName: 'proj.add', taskId: 'x1', rootId: 'r1' }],
      ['half', undefined],
    ])
    expect(written).toEqual(['logged one\n', 'logged two\n', 'logged from a task\n', 'logged half\n', 'free'])
  })
})
