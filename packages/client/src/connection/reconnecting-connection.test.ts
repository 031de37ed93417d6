import type { Closable, ConnectOptions } from '@ct/contracts'
import { BrokerError, BrokerUnavailableError, ClosedError } from '@ct/contracts'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { ReconnectingConnection } from './index.ts'

class Line implements Closable {
  closed = false
  readonly options: ConnectOptions
  constructor(options: ConnectOptions) {
    this.options = options
  }
  async close(): Promise<void> {
    this.closed = true
  }
  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
  lose(): void {
    this.options.onNotice({ kind: 'connection-lost', error: new Error('cable') })
  }
}

/** A server whose answers are listed: a line, or an error. */
function server(...answers: ('ok' | Error | 'silence')[]): {
  readonly lines: Line[]
  readonly attempts: ConnectOptions[]
  readonly connect: (options: ConnectOptions) => Promise<Line>
} {
  const lines: Line[] = []
  const attempts: ConnectOptions[] = []
  return {
    lines,
    attempts,
    connect: (options) => {
      attempts.push(options)
      const answer = answers.shift() ?? 'ok'
      if (answer === 'silence') {
        return new Promise((_, reject) => {
          options.signal!.addEventListener('abort', () => reject(new Error('aborted')))
        })
      }
      if (answer !== 'ok') return Promise.reject(answer)
      const line = new Line(options)
      lines.push(line)
      return Promise.resolve(line)
    },
  }
}

const away = (): BrokerUnavailableError => new BrokerUnavailableError('not there')

function made(
  source: ReturnType<typeof server>,
  more: { connectTimeoutMs?: number } = {},
): ReconnectingConnection<Line> {
  return new ReconnectingConnection<Line>({
    connect: source.connect,
    describe: () => 'the broker memory://test',
    backoff: { initialMs: 100, jitter: 0 },
    ...more,
  })
}

/** What a promise rejects with; watched from now on, so that nothing is unhandled meanwhile. */
function failureOf(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => undefined,
    (error: unknown) => error,
  )
}

describe('a connection that comes back', () => {
  beforeEach(() => void vi.useFakeTimers())
  afterEach(() => {
    expect(vi.getTimerCount()).toBe(0)
    vi.useRealTimers()
  })

  it('opens nothing until somebody needs it, and one line for all', async () => {
    const source = server()
    const connection = made(source)
    expect(source.attempts).toHaveLength(0)
    const [a, b] = await Promise.all([connection.whenReady(), connection.whenReady()])
    expect(a).toBe(b)
    expect(source.attempts).toHaveLength(1)
    expect(connection.state).toBe('ready')
    await connection.close()
    expect(a.closed).toBe(true)
  })

  it('TRANS-4: tries again with growing pauses while the error is retryable', async () => {
    const source = server(away(), away(), away())
    const connection = made(source)
    const failures: (number | undefined)[] = []
    connection.listen({ onConnectFailed: (_error, _attempt, retryInMs) => failures.push(retryInMs) })
    const ready = connection.whenReady()
    await vi.advanceTimersByTimeAsync(100 + 200 + 400)
    await expect(ready).resolves.toBe(source.lines[0])
    expect(failures).toEqual([100, 200, 400])
    await connection.close()
  })

  it('gives a refusal to everybody who waits, at once', async () => {
    const connection = made(server(new BrokerError('wrong password')))
    await expect(Promise.all([connection.whenReady(), connection.whenReady()])).rejects.toMatchObject({
      code: 'CT_BROKER',
    })
    expect(connection.state).toBe('idle')
    await connection.close()
  })

  it('gives up after maxAttempts of that caller', async () => {
    const source = server(away(), away(), away())
    const connection = made(source)
    const impatient = connection.whenReady({ maxAttempts: 1 })
    const patient = connection.whenReady()
    await expect(impatient).rejects.toMatchObject({ code: 'CT_BROKER_UNAVAILABLE' })
    await vi.advanceTimersByTimeAsync(1000)
    await expect(patient).resolves.toBeDefined()
    await connection.close()
  })

  it('stops trying when the last who waited has given up', async () => {
    const source = server('silence')
    const connection = made(source)
    const giveUp = new AbortController()
    const ready = connection.whenReady({ signal: giveUp.signal })
    giveUp.abort()
    await expect(ready).rejects.toMatchObject({ code: 'CT_ABORTED' })
    expect(connection.state).toBe('idle')
    expect(source.attempts[0]!.signal!.aborted).toBe(true)
    await connection.close()
  })

  it('limits each attempt', async () => {
    const connection = made(server('silence'), { connectTimeoutMs: 50 })
    const ready = connection.whenReady({ maxAttempts: 1 })
    const failure = failureOf(ready)
    await vi.advanceTimersByTimeAsync(50)
    expect(await failure).toMatchObject({ message: expect.stringMatching(/longer than 50 ms/) as string })
    await connection.close()
  })

  it('is made again after a loss only while somebody holds it', async () => {
    const source = server()
    const connection = made(source)
    await connection.whenReady()
    source.lines[0]!.lose()
    expect(connection.state).toBe('idle')
    expect(source.lines[0]!.closed).toBe(true)

    const release = connection.keepAlive()
    await connection.whenReady()
    const events: string[] = []
    connection.listen({ onLost: () => events.push('lost'), onReady: () => events.push('ready') })
    await vi.advanceTimersByTimeAsync(1000)
    source.lines[1]!.lose()
    await connection.whenReady()
    expect(events).toEqual(['lost', 'ready'])
    expect(source.lines).toHaveLength(3)
    release()
    source.lines[2]!.lose()
    expect(connection.state).toBe('idle')
    await connection.close()
  })

  it('lines that are lost one after the other as soon as they are there are made again with growing pauses', async () => {
    const source = server()
    const connection = made(source)
    const release = connection.keepAlive()
    connection.listen({ onReady: (line) => line.lose() })
    await vi.advanceTimersByTimeAsync(0)
    expect(source.lines).toHaveLength(2)
    expect(connection.state).toBe('waiting')
    await vi.advanceTimersByTimeAsync(100 + 200 + 400)
    expect(source.lines).toHaveLength(5)
    release()
    expect(connection.state).toBe('idle')
    await connection.close()
  })

  it('who asks for one after each loss does not get around the pauses, and need not wait for one that is over', async () => {
    const source = server()
    const connection = made(source)
    const used = (async () => {
      for (let turn = 0; turn < 5; turn++) (await connection.whenReady()).lose()
    })()
    await vi.advanceTimersByTimeAsync(50)
    expect(source.lines).toHaveLength(2)
    expect(connection.state).toBe('waiting')
    await vi.advanceTimersByTimeAsync(100 + 200 + 400)
    await used
    expect(source.lines).toHaveLength(5)
    await vi.advanceTimersByTimeAsync(60_000)
    const late = connection.whenReady()
    await vi.advanceTimersByTimeAsync(0)
    await late
    await connection.close()
  })

  it('says why there is no connection, while there is none', async () => {
    const connection = made(server(away()))
    const ready = connection.whenReady()
    await vi.advanceTimersByTimeAsync(50)
    expect(connection.lastFailure).toMatchObject({ message: 'not there' })
    await vi.advanceTimersByTimeAsync(50)
    await ready
    expect(connection.lastFailure).toBeUndefined()
    await connection.close()
  })

  it('what a line of the past notices is not told', async () => {
    const source = server()
    const connection = made(source)
    const notices: string[] = []
    connection.listen({ onNotice: ({ kind }) => notices.push(kind) })
    const first = await connection.whenReady()
    connection.markLost(first, new Error('no answer'))
    await connection.whenReady()
    first.options.onNotice({ kind: 'connection-blocked', reason: 'memory' })
    expect(notices).toEqual([])
    await connection.close()
  })

  it('ignores the loss of a line that is not the current one any more', async () => {
    const source = server()
    const connection = made(source)
    const first = await connection.whenReady()
    connection.markLost(first, new Error('no answer'))
    const second = await connection.whenReady()
    first.lose()
    expect(connection.current).toBe(second)
    await connection.close()
  })

  it('a loss reported before connect resolved counts as a failed attempt', async () => {
    const source = server()
    const connection = new ReconnectingConnection<Line>({
      describe: () => 'x',
      backoff: { initialMs: 10, jitter: 0 },
      connect: async (options) => {
        const line = await source.connect(options)
        if (source.lines.length === 1) options.onNotice({ kind: 'connection-lost', error: away() })
        return line
      },
    })
    const ready = connection.whenReady()
    await vi.advanceTimersByTimeAsync(10)
    expect(await ready).toBe(source.lines[1])
    expect(source.lines[0]!.closed).toBe(true)
    await connection.close()
  })

  it('close at any moment: while connecting, while waiting, twice', async () => {
    for (const first of ['silence', away()] as const) {
      const connection = made(server(first))
      const ready = connection.whenReady()
      const rejected = failureOf(ready)
      await vi.advanceTimersByTimeAsync(1)
      await Promise.all([connection.close(), connection.close()])
      expect(await rejected).toMatchObject({ code: 'CT_CLOSED' })
      await expect(connection.whenReady()).rejects.toMatchObject({ code: 'CT_CLOSED' })
      expect(connection.state).toBe('closed')
    }
  })

  it('closes a line that arrives after close', async () => {
    let arrive: ((line: Line) => void) | undefined
    const connection = new ReconnectingConnection<Line>({
      describe: () => 'x',
      connect: () =>
        new Promise((resolve) => {
          arrive = resolve
        }),
    })
    connection.whenReady().catch(() => {})
    await vi.advanceTimersByTimeAsync(0)
    const closing = connection.close()
    const line = new Line({ onNotice: () => {} })
    arrive!(line)
    await closing
    expect(line.closed).toBe(true)
  })

  it('what ended because the connection was lost may be tried again; what ended because of close may not', async () => {
    const connection = made(server())
    const [first, refused, closed] = [
      await connection.whenReady(),
      new BrokerError('no'),
      new ClosedError('this line is closed'),
    ]
    expect(connection.meaningOf(first, closed)).toBe(closed)
    first.lose()
    expect(connection.meaningOf(first, closed)).toMatchObject({
      code: 'CT_TIMEOUT',
      retryable: true,
      message: 'The connection to the broker memory://test was lost.',
      cause: closed,
    })
    expect(connection.meaningOf(first, refused)).toBe(refused)
    await connection.close()
    expect(connection.meaningOf(first, closed)).toBe(closed)
  })
})
