import { createWorker } from '@ct/worker'
import { describe, expect, it } from 'vitest'
import { ct, ctWith, memoryApp } from '../fixtures/run-ct.ts'

describe('ct graph workers', () => {
  it('CLI-31: draws the workers that answer', async () => {
    await using app = memoryApp({ broker: 'memory://graph-workers', environment: {} })
    await using worker = createWorker(app, { hostname: 'one@h', concurrency: 5, withoutMingle: true })
    await worker.start()
    const { out, exitCode } = await ct('-b', 'memory://graph-workers', 'graph', 'workers', 'tmax:3')
    expect(exitCode).toBe(0)
    expect(out).toMatch(/^digraph workers \{[^]*\}\n$/)
    expect(out).toContain('worker1 [label="one@h"')
    expect(out).toContain('worker1 -> broker;')
    expect(out.match(/slot\d \[label="(.)"/g)).toEqual([
      'slot1 [label="1"',
      'slot2 [label="…"',
      'slot3 [label="5"',
    ])
  })

  it('CLI-31: from words alone, shortened and numbered', async () => {
    const words = [
      'nodes:a,b,c,d,"e"',
      'threads:1',
      'broker:redis://h',
      'backend:redis://h',
      'wmax:3',
      'generic',
    ]
    const { out } = await ct('graph', 'workers', ...words)
    expect(out.match(/worker\d \[label="[^\n]*?", shape/g)).toEqual([
      'worker1 [label="a", shape',
      'worker2 [label="…", shape',
      String.raw`worker3 [label="\"e\"", shape`,
    ])
    expect(out).toContain('label="Broker (redis://)"')
    expect(out).toContain('worker1 -> backend;')
    expect((await ct('graph', 'workers', ...words, 'enumerate')).out).toContain('label="Worker 1"')
    expect((await ct('graph', 'workers', 'colour:red')).exitCode).toBe(2)
  })

  it('CLI-31: as Mermaid', async () => {
    const { out } = await ct('graph', 'workers', '-f', 'mermaid', 'nodes:a', 'threads:1', 'broker:redis://h')
    expect(out).toBe(
      [
        'flowchart TB',
        '  broker(("redis://h"))',
        '  worker1["a"]',
        '  worker1slot1(["1"])',
        '  worker1 --> broker',
        '  worker1slot1 --- worker1',
        '',
      ].join('\n'),
    )
  })
})

describe('ct graph bootsteps', () => {
  it('CLI-31, WORK-32: those of worker and consumer in their order, and those that the app adds', async () => {
    const app = memoryApp({ broker: 'memory://graph-bootsteps', environment: {} })
    app.steps.worker.add(
      class Db {
        static readonly requires = ['Pool']
        start(): void {}
      },
    )
    const found = { app: { app, module: undefined } }
    const both = await ctWith(found, 'graph', 'bootsteps')
    expect(both.out).toMatch(/^digraph bootsteps \{[^]*\}\n$/)
    expect(both.out).toContain('worker_Db [label="Db", shape=box, fillcolor=gold1];')
    expect(both.out).toContain('worker_Db -> worker_Pool;')
    expect(both.out).toContain('worker_Hub -> worker_Timer;')
    expect(both.out).toContain('consumer_Connection -> worker_Consumer;')
    const consumer = await ctWith(found, 'graph', 'bootsteps', 'Consumer', '-f', 'mermaid')
    expect(consumer.out).toContain('flowchart TB\n  consumer_Connection(["Connection"])')
    expect(consumer.out).not.toContain('worker_')
    expect((await ctWith(found, 'graph', 'bootsteps', 'beat')).exitCode).toBe(2)
  })
})
