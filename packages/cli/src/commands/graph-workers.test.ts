import { createWorker } from '@ct/worker'
import { describe, expect, it } from 'vitest'
import { ct, memoryApp } from '../fixtures/run-ct.ts'

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
})
