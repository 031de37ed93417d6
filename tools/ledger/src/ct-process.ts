/** A ct program of the campaign as a child: killed, frozen, restarted. It reaches the broker through a proxy of its own. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { guardProcess } from '@ct-tools/services'
import type { Proxy } from './proxy.ts'
import { sceneEnvironment, type Scene } from './scene.ts'

function throughProxy({ broker }: Omit<Scene, 'url'>, port: number): string {
  return broker === 'rabbitmq' ? `amqp://guest:guest@127.0.0.1:${port}//` : `redis://127.0.0.1:${port}/0`
}

export class CtProcess {
  readonly name: string
  readonly proxy: Proxy
  readonly logFile: string
  readonly #args: readonly string[]
  readonly #scene: Scene
  #child: ChildProcess | undefined
  #exited: Promise<{ code: number | null; signal: NodeJS.Signals | null }> | undefined

  constructor(name: string, proxy: Proxy, scene: Omit<Scene, 'url'>, args: readonly string[]) {
    this.name = name
    this.proxy = proxy
    this.logFile = join(scene.folder, `${name}.log`)
    this.#scene = { ...scene, url: throughProxy(scene, proxy.port) }
    this.#args = args
  }

  get pid(): number {
    return this.#child?.pid ?? 0
  }

  get isRunning(): boolean {
    return this.#child !== undefined
  }

  start(): void {
    const log = openSync(this.logFile, 'a')
    const child = guardProcess(
      spawn(process.execPath, ['--conditions=@ct/source', '--no-warnings', ...this.#args], {
        env: { ...process.env, ...sceneEnvironment(this.#scene), CT_LEDGER_ROLE: this.name, NO_COLOR: '1' },
        detached: true,
        stdio: ['ignore', log, log],
      }),
    )
    closeSync(log)
    this.#child = child
    this.#exited = once(child, 'exit').then(([code, signal]) => {
      if (this.#child === child) this.#child = undefined
      return { code: code as number | null, signal: signal as NodeJS.Signals | null }
    })
  }

  /** What the kernel says of it (Linux): running, sleeping, stopped, …, and the CPU time it has had. */
  get kernelState(): string {
    try {
      const status = readFileSync(`/proc/${this.pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? []
      return `state ${status[0]}, ${Number(status[11]) + Number(status[12])} ticks`
    } catch {
      return 'gone'
    }
  }

  signal(name: NodeJS.Signals): void {
    this.#child?.kill(name)
  }

  async kill(): Promise<void> {
    this.signal('SIGKILL')
    await this.#exited
  }

  /** Waits for its end by itself, or after a signal: the exit code, or the signal that ended it; undefined when it has not ended in time. */
  async end(timeoutMs: number, signal?: NodeJS.Signals): Promise<number | NodeJS.Signals | undefined> {
    const { promise, resolve } = Promise.withResolvers<undefined>()
    const timer = setTimeout(() => resolve(undefined), timeoutMs)
    if (signal !== undefined) this.signal(signal)
    const ended = await Promise.race([this.#exited, promise])
    clearTimeout(timer)
    return ended === undefined ? undefined : (ended.code ?? ended.signal ?? undefined)
  }
}
