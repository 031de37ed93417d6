/** Workers of one language or of both on servers of their own, and what becomes of trees that are sent to them. */
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { python, startPythonWorker, type PythonClient, type PythonWorker } from '@ct-tools/interop'
import { freshRedis, freshVhost, type FreshRedis } from '@ct-tools/services'
import { amqpBroker } from '@ct/broker-amqp'
import { redisBackend, redisBroker } from '@ct/broker-redis'
import { createApp, createWorker, type AnySignature, type App } from '@ct/core'
import { encodeResultHandle } from '@ct/contracts'
import { build } from './build.ts'
import { queues } from './generate.ts'
import { journalKey, type JournalEntry } from './journal.ts'
import { outcomesOf, type Outcome, type Sent, type StoredDocument } from './outcome.ts'
import { quiet } from './quiet-logger.ts'
import { register } from './tasks.ts'
import { childrenOf, type Language, type Node, type Tree } from './tree.ts'

export type FleetKind = 'python' | 'ct' | 'mixed'
export type BrokerKind = 'redis' | 'rabbitmq'

export interface FleetOptions {
  readonly kind: FleetKind
  readonly broker: BrokerKind
  /** Whose defaults the ct workers follow; default ct's. */
  readonly defaults?: 'ct' | 'celery'
  readonly log?: ((line: string) => void) | undefined
}

interface Built {
  readonly dict?: string
  readonly error?: string
  readonly message?: string
}

/** Queue of tasks that nobody routed, such as `celery.accumulate`. */
const anyQueue = 'judge.any'

let runs = 0

export class Fleet implements AsyncDisposable {
  readonly kind: FleetKind
  readonly #stack: AsyncDisposableStack
  readonly #connection: Awaited<ReturnType<FreshRedis['connect']>>
  readonly #app: App
  readonly #client: PythonClient
  readonly #journal: JournalEntry[]
  readonly #peers: readonly PythonWorker[]
  readonly #broker: BrokerKind

  private constructor(parts: {
    readonly kind: FleetKind
    readonly broker: BrokerKind
    readonly stack: AsyncDisposableStack
    readonly connection: Awaited<ReturnType<FreshRedis['connect']>>
    readonly app: App
    readonly client: PythonClient
    readonly journal: JournalEntry[]
    readonly peers: readonly PythonWorker[]
  }) {
    this.kind = parts.kind
    this.#broker = parts.broker
    this.#stack = parts.stack
    this.#connection = parts.connection
    this.#app = parts.app
    this.#client = parts.client
    this.#journal = parts.journal
    this.#peers = parts.peers
  }

  static async start({ kind, broker, defaults = 'ct', log }: FleetOptions): Promise<Fleet> {
    await using stack = new AsyncDisposableStack()
    const redis = stack.use(await freshRedis())
    const line = broker === 'redis' ? redis : stack.use(await freshVhost())
    const connection = await redis.connect()
    stack.defer(() => connection.close())
    const journal: JournalEntry[] = []
    const logger = quiet(log)
    const app = createApp({
      name: 'judge',
      broker: (broker === 'redis' ? redisBroker : amqpBroker)({ url: line.url }),
      backend: redisBackend({ url: redis.url }),
      taskDefaultQueue: anyQueue,
      defaults,
      logger,
    })
    stack.defer(() => app.close())
    register(app, (entry) => void journal.push(entry))
    const peer = {
      broker: line.url,
      backend: redis.url,
      path: [join(dirname(fileURLToPath(import.meta.url)), '../python')],
      setup: 'import judge_tasks\njudge_tasks.register(app)',
      env: { CT_JUDGE_JOURNAL: redis.url },
      config: { task_default_queue: anyQueue, task_acks_late: true, worker_prefetch_multiplier: 4 },
    }
    const client = stack.use(await python('5.7', peer))
    await client.exec('import judge_tasks')
    const consumed = (language: Language): string[] => [
      anyQueue,
      ...(kind === 'mixed' ? [queues[language]] : Object.values(queues)),
    ]
    const peers: PythonWorker[] = []
    if (kind !== 'ct') {
      const worker = stack.use(
        await startPythonWorker({
          ...peer,
          version: '5.7',
          queues: consumed('py'),
          concurrency: 4,
          loglevel: 'INFO',
        }),
      )
      peers.push(worker)
    }
    if (kind !== 'python') {
      const worker = createWorker(app, {
        queues: consumed('ct'),
        concurrency: 20,
        hostname: `ct-${kind}@judge`,
        withoutMingle: true,
      })
      await worker.start()
      stack.defer(() => worker.stop())
    }
    const fleet = new Fleet({ kind, broker, stack: stack.move(), connection, app, client, journal, peers })
    return fleet
  }

  /** Sends all of them at once, waits until nothing moves any more, and tells what became of each. */
  async judge(trees: readonly Tree[]): Promise<Outcome[]> {
    const named = trees.map((tree) => ({ tree: this.#own(tree), run: `r${runs++}` }))
    const built = await this.#build(named)
    await this.#revoke(named)
    const sent = await this.#send(named, built)
    await this.#settled()
    const entries = [...this.#journal, ...(await this.#pythonEntries())]
    const documents = await this.#documents()
    await this.#forget()
    return outcomesOf(
      named.map(({ run }, index) => ({ ...sent[index]!, run })),
      entries,
      documents,
    )
  }

  /** One language alone builds, sends and works. */
  #own(tree: Tree): Tree {
    if (this.kind === 'mixed') return tree
    const language = this.kind === 'python' ? 'py' : 'ct'
    return { ...tree, builtBy: language, sentBy: language }
  }

  async #build(named: readonly { readonly tree: Tree; readonly run: string }[]): Promise<Built[]> {
    const theirs = named.filter(({ tree }) => tree.builtBy === 'py')
    const dicts = await this.#client.exec<Built[]>('judge_tasks.dicts(trees)', {
      trees: theirs.map(({ tree, run }) => ({ root: tree.root, run })),
    })
    return named.map(({ tree, run }) => {
      if (tree.builtBy === 'py') return dicts.shift()!
      try {
        return { dict: JSON.stringify(build(this.#app, tree.root, run)) }
      } catch (error) {
        return { error: (error as Error).name, message: (error as Error).message }
      }
    })
  }

  async #send(
    named: readonly { readonly tree: Tree; readonly run: string }[],
    built: readonly Built[],
  ): Promise<Sent[]> {
    const sent: Sent[] = built.map(({ error, message }) => ({
      run: '',
      handle: null,
      error: error && `building: ${error} ${message ?? ''}`,
    }))
    const items = named.map(({ tree }, index) => ({ index, tree, dict: built[index]!.dict }))
    const theirs = items.filter(({ tree, dict }) => tree.sentBy === 'py' && dict !== undefined)
    const answers = await this.#client.exec<{ handle?: unknown; error?: string; message?: string }[]>(
      'judge_tasks.send(app, items)',
      { items: theirs.map(({ tree, dict }) => ({ dict, args: tree.args })) },
    )
    answers.forEach(({ handle, error, message }, at) => {
      sent[theirs[at]!.index] = {
        run: '',
        handle: handle ?? null,
        error: error && `sending: ${error} ${message ?? ''}`,
      }
    })
    await Promise.all(
      items
        .filter(({ tree, dict }) => tree.sentBy === 'ct' && dict !== undefined)
        .map(async ({ index, tree, dict }) => {
          try {
            const signature = this.#app.signature(JSON.parse(dict!) as object) as AnySignature
            const result = await signature.send({ args: tree.args, kwargs: {}, options: {} })
            sent[index] = {
              run: '',
              handle: result === null ? null : encodeResultHandle(result),
              error: undefined,
            }
          } catch (error) {
            sent[index] = {
              run: '',
              handle: null,
              error: `sending: ${(error as Error).name} ${(error as Error).message}`,
            }
          }
        }),
    )
    return sent
  }

  /** Ids that every worker is to know before they come. */
  async #revoke(named: readonly { readonly tree: Tree; readonly run: string }[]): Promise<void> {
    const ids = named.flatMap(({ tree, run }) => revokedIn(tree.root).map((tag) => `${run}-${tag}`))
    if (ids.length === 0) return
    const workers = this.kind === 'mixed' ? 2 : 1
    const replies = await this.#client.exec<unknown[]>(
      'app.control.revoke(ids, reply=True, timeout=10, limit=workers)',
      { ids, workers },
    )
    if (replies.length < workers) throw new Error(`A worker of the ${this.kind} fleet does not answer.`)
  }

  /** Nothing is queued or held, and nobody has written to the journal for a while. */
  async #settled(): Promise<void> {
    const looks = this.#broker === 'redis' ? 4 : 7
    const until = Date.now() + 45_000
    let [quietLooks, before] = [0, '']
    while (quietLooks < looks) {
      if (Date.now() > until)
        throw new Error(
          `The ${this.kind} fleet does not come to rest (open, journal, keys: ${before}): ${await this.#where()}`,
        )
      await sleep(120)
      const open = await this.#open()
      const state = `${open} ${this.#journal.length} ${String(await this.#connection.command('LLEN', journalKey))} ${String(await this.#connection.command('DBSIZE'))}`
      quietLooks = open === 0 && state === before ? quietLooks + 1 : 0
      before = state
    }
  }

  async #open(): Promise<number> {
    const names = [anyQueue, ...Object.values(queues)]
    if (this.#broker === 'redis') {
      const counts = await Promise.all([
        ...names.map((name) => this.#connection.command('LLEN', name)),
        this.#connection.command('HLEN', 'unacked'),
      ])
      return counts.reduce<number>((sum, count) => sum + Number(count), 0)
    }
    const connection = await this.#app.context.producer.connection()
    const counts = await Promise.all(names.map((name) => connection.queueSize(name)))
    const queued = counts.reduce<number>((sum, count) => sum + (count ?? 0), 0)
    // RabbitMQ tells nobody at once how many messages are held, but the workers know.
    return queued > 0 ? queued : await this.#held()
  }

  /** What is still there, for whoever has to find out why. */
  async #where(): Promise<string> {
    const active = await this.#client.exec<unknown>('app.control.inspect(timeout=2).active()')
    const logs = this.#peers.map(
      ({ log, isRunning }) => `${isRunning ? '' : 'not running: '}${log.slice(-3000)}`,
    )
    return [JSON.stringify(active), ...logs].join('\n')
  }

  async #held(): Promise<number> {
    const workers = this.kind === 'mixed' ? 2 : 1
    return await this.#client.exec<number>(
      `
      _active = app.control.inspect(timeout=3, limit=workers).active() or {}
      sum(len(tasks) for tasks in _active.values()) + workers - len(_active)
      `,
      { workers },
    )
  }

  async #pythonEntries(): Promise<JournalEntry[]> {
    const lines = (await this.#connection.command('LRANGE', journalKey, 0, -1)) as string[]
    return lines.map((line) => JSON.parse(String(line)) as JournalEntry)
  }

  async #documents(): Promise<StoredDocument[]> {
    const keys = (await this.#connection.command('KEYS', 'celery-task-meta-*')) as string[]
    const found: StoredDocument[] = []
    for (let at = 0; at < keys.length; at += 500) {
      const values = (await this.#connection.command('MGET', ...keys.slice(at, at + 500).map(String))) as (
        | string
        | null
      )[]
      for (const value of values) if (value !== null) found.push(JSON.parse(String(value)) as StoredDocument)
    }
    return found
  }

  /** Results and the journal go; what brokers and workers keep stays. */
  async #forget(): Promise<void> {
    this.#journal.length = 0
    const keys = (await this.#connection.command('KEYS', 'celery-task*')) as string[]
    for (let at = 0; at < keys.length; at += 500)
      await this.#connection.command('UNLINK', ...keys.slice(at, at + 500).map(String))
    await this.#connection.command('DEL', journalKey)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync()
  }
}

function revokedIn(node: Node): string[] {
  const own = node.kind === 'task' && node.revoked === true && node.named === true ? [node.tag] : []
  return [...own, ...childrenOf(node).flatMap(revokedIn)]
}
