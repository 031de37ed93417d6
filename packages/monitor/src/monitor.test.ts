import { EventEmitter } from 'node:events'
import { PassThrough } from 'node:stream'
import { memoryBroker } from '@ct/broker-memory'
import { createApp, type App } from '@ct/client'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { runMonitor } from './index.ts'
import { clock, fit } from './text.ts'

// Where CI is set, ink draws nothing before the end.
vi.hoisted(() => {
  process.env['CI'] = 'false'
})

/** A terminal of 120 by 24 that remembers its last screen. */
class Terminal extends EventEmitter {
  readonly columns = 120
  readonly rows = 24
  readonly isTTY = true
  screen = ''
  write(text: string): boolean {
    // oxlint-disable-next-line no-control-regex
    const plain = text.replaceAll(/\u001B\[[0-9;?]*[A-Za-z]/g, '')
    if (plain.trim() !== '') this.screen = plain
    return true
  }
}

class Keyboard extends PassThrough {
  readonly isTTY = true
  setRawMode(): this {
    return this
  }
  ref(): this {
    return this
  }
  unref(): this {
    return this
  }
}

let hubs = 0
let app: App
let terminal: Terminal
let keyboard: Keyboard
let running: Promise<void>
let stop: AbortController
const asked: { method: string; args: unknown }[] = []

beforeEach(() => {
  app = createApp({ broker: memoryBroker({ name: `monitor-${++hubs}` }) })
  terminal = new Terminal()
  keyboard = new Keyboard()
  stop = new AbortController()
  asked.length = 0
  vi.spyOn(app.control, 'broadcast').mockImplementation(async (method, options) => {
    asked.push({ method, args: options?.arguments })
    return []
  })
  running = runMonitor({
    app,
    signal: stop.signal,
    stdin: keyboard as unknown as NodeJS.ReadStream,
    stdout: terminal as unknown as NodeJS.WriteStream,
  })
})
afterEach(async () => {
  stop.abort()
  await running
  await app.close()
})

const shows = async (...texts: readonly (string | RegExp)[]): Promise<void> => {
  for (const text of texts) await vi.waitFor(() => expect(terminal.screen).toMatch(text))
}

async function happen(): Promise<void> {
  await shows('0 events')
  const dispatcher = app.events.dispatcher({ hostname: 'w1@h' })
  dispatcher.send('worker-online', {
    freq: 2,
    active: 1,
    processed: 7,
    loadavg: [1, 2, 3],
    sw_ident: 'ct',
    sw_ver: '9',
  })
  dispatcher.send('task-received', { uuid: 'first', name: 'shop.charge', args: '(12,)', kwargs: '{}' })
  dispatcher.send('task-failed', {
    uuid: 'first',
    exception: "ValueError('no')",
    traceback: 'Traceback: here',
  })
  dispatcher.send('task-received', {
    uuid: 'second',
    name: 'shop.mail',
    args: "('\u001B[31m',)",
    kwargs: '{}',
  })
  dispatcher.send('task-started', { uuid: 'second' })
  await dispatcher.close()
}

/** More tasks than are listed. */
async function flood(round: number): Promise<void> {
  const dispatcher = app.events.dispatcher({ hostname: 'w1@h' })
  for (let at = 0; at < 600; at++)
    dispatcher.send('task-received', { uuid: `flood${round}-${at}`, name: 'shop.flood', args: '()' })
  await dispatcher.close()
}

describe('the live view', () => {
  it('EVT-52, CLI-22: shows tasks, newest first, and workers; details of the selected one', async () => {
    await happen()
    await shows(
      /1 of 1 workers online\s+1 running\s+2 tasks received/,
      /second.*\n.*first/,
      /shop\.mail.*w1@h.*STARTED/,
    )
    await shows("args: ('·[31m',)")
    keyboard.write('j')
    await shows('args: (12,)')
    keyboard.write('t')
    await shows('Traceback: here')
    keyboard.write('x')
    await shows('FAILURE')
    keyboard.write('r')
    await shows("ValueError('no')")
    keyboard.write('x')
    await shows('j/k move')
    keyboard.write('i')
    await shows(/uuid: first[^]*name: shop\.charge[^]*state: FAILURE[^]*worker: w1@h/)
    keyboard.write('x')
    await shows('j/k move')
    keyboard.write('w')
    await shows(/w1@h\s+1\s+7\s+1 2 3\s+ct 9/)
    keyboard.write('q')
    await running
  })

  it('EVT-52: revokes when it is confirmed, and limits rates', async () => {
    await happen()
    await shows('shop.mail')
    keyboard.write('c')
    await shows('Revoke second')
    keyboard.write('n')
    await shows('j/k move')
    keyboard.write('c')
    await shows('Revoke second')
    keyboard.write('y')
    await shows('second is revoked.')
    keyboard.write('l')
    await shows('Rate limit of shop.mail')
    keyboard.write('10/m')
    await shows('10/m▏')
    keyboard.write('\r')
    await shows('shop.mail: 10/m sent to all workers.')
    expect(asked.filter(({ method }) => method !== 'heartbeat')).toEqual([
      { method: 'revoke', args: { task_id: 'second', terminate: true, signal: 'SIGTERM' } },
      { method: 'rate_limit', args: { task_name: 'shop.mail', rate_limit: '10/m' } },
    ])
  })

  it('EVT-52: asks, shows and revokes the task that was chosen, whatever comes meanwhile', async () => {
    await happen()
    await shows('shop.mail')
    keyboard.write('\r')
    await shows('uuid: second')
    await flood(1)
    await shows(/605 events[^]*uuid: second/)
    keyboard.write('x')
    await shows('j/k move', 'flood1-')
    keyboard.write('c')
    await shows(/Revoke flood1-\d+/)
    const [, chosen] = /Revoke (\S+)/.exec(terminal.screen)!
    await flood(2)
    await shows('1205 events', `Revoke ${chosen}`)
    keyboard.write('y')
    await shows(`${chosen} is revoked.`)
    expect(asked.filter(({ method }) => method === 'revoke')).toMatchObject([{ args: { task_id: chosen } }])
  })

  it('EVT-52: a state that an event makes up does nothing to the terminal', async () => {
    await shows('0 events')
    const dispatcher = app.events.dispatcher({ hostname: 'w1@h' })
    dispatcher.send('task-\u0007odd', { uuid: 'strange' })
    await dispatcher.close()
    await shows(/strange.*·ODD/)
  })

  it('CLI-22: Ctrl-C ends it', async () => {
    await shows('0 events')
    keyboard.write('\u0003')
    await running
    expect(stop.signal.aborted).toBe(false)
  })
})

describe('text', () => {
  it('is cut and filled; what is no instant is empty', () => {
    expect([fit('abcdef', 4), fit('ab', 4)]).toEqual(['abc…', 'ab  '])
    expect([clock(null), clock(Number.MAX_VALUE)]).toEqual(['', ''])
  })
})
