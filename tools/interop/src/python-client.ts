import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { guardProcess } from '@ct-tools/services'
import { ensurePython, type PythonApp, type PythonName, pythonEnvironment } from './python-environment.ts'

/** What Python raised. `message` begins with the exception's name; `traceback` is Python's. */
export class PythonError extends Error {
  override readonly name: string = 'PythonError'
  readonly type: string
  readonly module: string
  readonly traceback: string

  constructor(error: { type: string; module: string; message: string; traceback: string }) {
    super(`${error.type}: ${error.message}`)
    this.type = error.type
    this.module = error.module
    this.traceback = error.traceback
  }
}

/** The state of a task as Python's backend reads it. */
export interface PythonMeta {
  status: string
  result: unknown
  traceback?: string | null
  children?: unknown[] | null
  [field: string]: unknown
}

export interface RedisKeyDump {
  type: 'string' | 'list' | 'set' | 'hash' | 'zset'
  /** Milliseconds; -1: does not expire. */
  ttl: number
  value: unknown
}

export interface RawMessage {
  body: unknown
  headers: Record<string, unknown>
  properties: Record<string, unknown>
  content_type: string
  content_encoding: string
  delivery_info: Record<string, unknown>
}

interface Answer {
  id: number
  value?: unknown
  error?: { type: string; module: string; message: string; traceback: string }
}

/**
 * A real Python client in a process that stays: each call is a line to it and a line back, not a start of Python.
 * Calls are worked off one after the other; names that a source defines live on, as in an interactive session.
 *
 * Bytes travel as `Uint8Array` into Python, and as `Buffer` back.
 */
export class PythonClient implements AsyncDisposable {
  readonly #child: ChildProcess
  readonly #waiting = new Map<number, { resolve: (value: unknown) => void; reject: (error: Error) => void }>()
  #lastId = 0
  #stderr = ''

  private constructor(child: ChildProcess) {
    this.#child = child
  }

  static async open(version: PythonName, app: PythonApp): Promise<PythonClient> {
    const { python } = await ensurePython(version)
    const child = guardProcess(
      spawn(python, ['-m', 'interop_repl'], { env: pythonEnvironment(app), detached: true, stdio: 'pipe' }),
    )
    const client = new PythonClient(child)
    await client.#connect(child)
    return client
  }

  /** All that Python printed and logged. */
  get log(): string {
    return this.#stderr
  }

  /**
   * Runs Python source; `vars` become names in it. The value is that of the last expression.
   *
   * @throws {PythonError} what Python raised. An `Error` when it does not answer within `timeoutMs` (default 30,000); the
   *   process is ended then.
   */
  exec<T = unknown>(
    source: string,
    vars: Record<string, unknown> = {},
    timeoutMs: number = 30_000,
  ): Promise<T> {
    this.#lastId += 1
    const id = this.#lastId
    return new Promise<T>((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#child.kill('SIGKILL')
        this.#waiting.delete(id)
        reject(
          new Error(`python: no answer within ${timeoutMs} ms to: ${source}\n${this.#stderr.slice(-2000)}`),
        )
      }, timeoutMs)
      const settle =
        <V>(done: (value: V) => void) =>
        (value: V): void => {
          clearTimeout(timer)
          this.#waiting.delete(id)
          done(value)
        }
      this.#waiting.set(id, { resolve: settle(resolve as (value: unknown) => void), reject: settle(reject) })
      if (this.#child.exitCode !== null || this.#child.signalCode !== null) return this.#fail()
      this.#child.stdin?.write(`${JSON.stringify({ id, source: dedent(source), vars }, encodeBytes)}\n`)
    })
  }

  /** Calls whatever the expression names, e.g. `call('app.control.revoke', ['id'], { terminate: true })`. */
  call<T = unknown>(
    callable: string,
    args: readonly unknown[] = [],
    kwargs: Record<string, unknown> = {},
  ): Promise<T> {
    return this.exec<T>(`(${callable})(*_args, **_kwargs)`, { _args: args, _kwargs: kwargs })
  }

  /** `app.send_task`; options under Python's names. Returns the id. */
  send(
    name: string,
    args: readonly unknown[] = [],
    kwargs: Record<string, unknown> = {},
    options: Record<string, unknown> = {},
  ): Promise<string> {
    return this.call<string>('send', [name, args, kwargs], options)
  }

  /** Sends a canvas given as Python source, e.g. `chord([add.s(1, 1), add.s(2, 2)], xsum.s())`; returns the id. */
  apply(canvas: string, options: Record<string, unknown> = {}): Promise<string> {
    return this.exec<string>(`_sent = (${canvas}).apply_async(**_options)\n_sent.id`, { _options: options })
  }

  /** Waits for a result as Python does; its exception comes as `PythonError`. */
  get<T = unknown>(id: string, timeout: number = 10): Promise<T> {
    return this.call<T>('get', [id], { timeout })
  }

  /** `backend.get_task_meta`. */
  meta(id: string): Promise<PythonMeta> {
    return this.call<PythonMeta>('meta', [id])
  }

  /** `app.control.inspect(…).<command>(…)`: replies by node name, `null` when nobody answered. */
  inspect<T = Record<string, unknown> | null>(
    command: string,
    args: readonly unknown[] = [],
    options: { timeout?: number; destination?: readonly string[]; [name: string]: unknown } = {},
  ): Promise<T> {
    return this.call<T>('inspect', [command, ...args], options)
  }

  /** Publishes one raw message by kombu; options (`headers`, `content_type`, `priority` …) under Python's names. */
  async publish(body: string | Uint8Array, options: Record<string, unknown> = {}): Promise<void> {
    await this.call('publish', [body], options)
  }

  /** Takes messages from a queue by kombu, undecoded; `ack: false` puts them back. */
  drain(
    queue: string,
    options: { limit?: number; timeout?: number; ack?: boolean } = {},
  ): Promise<RawMessage[]> {
    return this.call<RawMessage[]>('drain', [queue], options)
  }

  /** Every key of the Redis database that the app uses. */
  redisDump(pattern: string = '*'): Promise<Record<string, RedisKeyDump>> {
    return this.call<Record<string, RedisKeyDump>>('redis_dump', [pattern])
  }

  /** Collects events while `work` runs, and until `enough` is content (at most ten seconds). */
  async events(
    work: () => Promise<unknown>,
    enough: (events: ReadonlyArray<Record<string, unknown>>) => boolean,
  ): Promise<Array<Record<string, unknown>>> {
    await this.exec('_event_log = EventLog()')
    await work()
    const deadline = performance.now() + 10_000
    while (!enough(await this.exec('_event_log.events')) && performance.now() < deadline) {
      await this.exec('time.sleep(0.05)')
    }
    return this.exec('_event_log.stop()')
  }

  /** Ends the process. */
  async close(): Promise<void> {
    const child = this.#child
    if (child.exitCode !== null || child.signalCode !== null) return
    const gone = once(child, 'close')
    child.kill('SIGKILL')
    await gone
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #connect(child: ChildProcess): Promise<void> {
    const { stdout, stderr, stdin } = child
    if (!stdout || !stderr || !stdin) throw new Error('python: no pipes')
    stdin.on('error', () => undefined)
    stderr.setEncoding('utf8').on('data', (chunk: string) => (this.#stderr += chunk))
    const started = new Promise<void>((resolve, reject) => {
      createInterface({ input: stdout }).on('line', (line) => {
        const answer = JSON.parse(line, decodeBytes) as Answer | { ready: true }
        if ('ready' in answer) resolve()
        else this.#settle(answer)
      })
      child.once('error', reject)
      child.once('close', () => {
        this.#fail()
        reject(new Error(`python: the client ended\n${this.#stderr.slice(-4000)}`))
      })
    })
    await started
  }

  #settle(answer: Answer): void {
    const waiter = this.#waiting.get(answer.id)
    if (answer.error) waiter?.reject(new PythonError(answer.error))
    else waiter?.resolve(answer.value)
  }

  #fail(): void {
    const error = new Error(`python: the client has ended\n${this.#stderr.slice(-4000)}`)
    for (const { reject } of [...this.#waiting.values()]) reject(error)
  }
}

/** Opens a Python client of a release; see `PythonClient`. Use `await using`, or call `close` when done. */
export function python(version: PythonName, app: PythonApp): Promise<PythonClient> {
  return PythonClient.open(version, app)
}

function encodeBytes(this: unknown, key: string, value: unknown): unknown {
  // JSON.stringify has called Buffer's toJSON on `value` already; the holder still has the bytes.
  const original = (this as Record<string, unknown>)[key]
  return original instanceof Uint8Array ? { $bytes: Buffer.from(original).toString('base64') } : value
}

function decodeBytes(_key: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || !('$bytes' in value)) return value
  return Buffer.from(String(value.$bytes), 'base64')
}

/** Takes away the indentation that a template string in a test has. */
function dedent(source: string): string {
  const lines = source
    .replace(/^\s*\n/, '')
    .trimEnd()
    .split('\n')
  const depth = Math.min(...lines.filter((line) => line.trim()).map((line) => line.search(/\S/)))
  return lines.map((line) => line.slice(Number.isFinite(depth) ? depth : 0)).join('\n')
}
