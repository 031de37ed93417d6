import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it, vi } from 'vitest'
import { ct, ctWith, memoryApp, type Ran } from '../fixtures/run-ct.ts'
import { EventLines } from './event-line.ts'

const camera = fileURLToPath(new URL('../fixtures/camera.ts', import.meta.url))

/** Runs `ct events …`, sends events until `seen` says that they were, then interrupts it. */
async function watching(
  hub: string,
  argv: readonly string[],
  seen: (out: string) => boolean | Promise<boolean>,
): Promise<Ran> {
  const stop = new AbortController()
  const written = { out: '' }
  const running = ctWith(
    { interrupt: stop.signal, stdout: { write: (text) => (written.out += text) } },
    ...['-b', `memory://${hub}`, 'events', ...argv],
  )
  const app = memoryApp({ broker: `memory://${hub}`, environment: {} })
  const dispatcher = app.events.dispatcher({ hostname: 'w@h' })
  await vi.waitFor(
    async () => {
      dispatcher.send('worker-heartbeat', { freq: 2, active: 0 })
      dispatcher.send('task-received', { uuid: 't1', name: 'add', args: '(1,)', kwargs: '{}', eta: null })
      dispatcher.send('task-succeeded', { uuid: 't1', result: "'x'", runtime: 0.5 })
      if (!(await seen(written.out))) throw new Error(`not yet: ${written.out}`)
    },
    { timeout: 15_000, interval: 50 },
  )
  await dispatcher.close()
  await app.close()
  stop.abort()
  const ran = await running
  return { ...ran, out: written.out }
}

describe('ct events', () => {
  it('EVT-51, CLI-22: --dump prints a line for each event, later ones of a task with its name', async () => {
    const { out, exitCode } = await watching('events-dump', ['--dump'], (text) =>
      text.includes('task succeeded'),
    )
    expect(exitCode).toBe(0)
    expect(out).toMatch(/^-> evdump: starting capture\.\.\.\n/)
    expect(out).toMatch(
      /^w@h \[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d{6})?\+00:00\] heartbeat: active=0, clock=\d+, freq=2, local_received=\S+, pid=\d+, utcoffset=\S+$/m,
    )
    expect(out).toMatch(
      /^w@h \[[^\]]+\] task received: add\(t1\) args=\(1,\) kwargs=\{\} clock=\d+, eta=None, local_received=\S+, pid=/m,
    )
    expect(out).toMatch(
      /^w@h \[[^\]]+\] task succeeded: add\(t1\) args=\(1,\) kwargs=\{\} clock=\d+, local_received=\S+, pid=\d+, result='x', runtime=0\.5/m,
    )
  })

  it('CLI-22: --json prints each event as it came', async () => {
    const { out } = await watching('events-json', ['--json'], (text) => text.includes('task-succeeded'))
    const events = out
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>)
    expect(events).toContainEqual(
      expect.objectContaining({ type: 'task-succeeded', uuid: 't1', hostname: 'w@h' }),
    )
  })

  it('EVT-50, CLI-22: --camera hands over the state, at a frequency', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'ct-camera-'))
    const picture = join(folder, 'picture.json')
    vi.stubEnv('CT_TEST_PICTURE', picture)
    const read = (): Promise<string> => readFile(picture, 'utf8').catch(() => '')
    try {
      const { out, exitCode } = await watching(
        'events-camera',
        ['--camera', camera, '-F', '0.05', '--maxrate', '100/s'],
        async () => (await read()).includes('SUCCESS'),
      )
      expect(exitCode).toBe(0)
      expect(out).toContain('every 0.05 secs')
      expect(JSON.parse(await read())).toMatchObject({
        tasks: [expect.objectContaining({ uuid: 't1', state: 'SUCCESS' })],
      })
    } finally {
      vi.unstubAllEnvs()
      await rm(folder, { recursive: true, force: true })
    }
  })

  it('CLI-22: what is no camera, and a view without a terminal, are usage errors', async () => {
    const wrong = await ct('-b', 'memory://events-wrong', 'events', '-c', `${camera}:notACamera`)
    expect([wrong.exitCode, wrong.err]).toEqual([
      2,
      expect.stringMatching(/exports no camera called "notACamera"/),
    ])
    const view = await ct('-b', 'memory://events-view', 'events')
    expect([view.exitCode, view.err]).toEqual([2, expect.stringMatching(/needs a terminal/)])
  })
})

describe('lines of events', () => {
  it('EVT-51: instants as Python writes them, whatever else comes', () => {
    const lines = new EventLines()
    const line = (event: Record<string, unknown>): string => lines.line({ hostname: 'h', ...event })
    expect(line({ type: 'worker-online', timestamp: 1_700_000_000.25 })).toBe(
      'h [2023-11-14 22:13:20.250000+00:00] started ',
    )
    expect(line({ type: 'worker-offline', timestamp: 1_700_000_000 })).toBe(
      'h [2023-11-14 22:13:20+00:00] shutdown ',
    )
    expect(line({ type: 'order-shipped', timestamp: null, on: true, to: ['x'] })).toBe(
      "h [null] order shipped: on=True, to=['x']",
    )
  })
})
