import type { BroadcastCallOptions, Mailbox } from './mailbox.ts'
import type {
  ActiveQueueInfo,
  ErrorReply,
  HelloInfo,
  OkReply,
  QueriedTask,
  RequestInfo,
  ScheduledInfo,
  StatsInfo,
} from './inspect-replies.ts'

export interface InspectOptions extends Omit<BroadcastCallOptions, 'destination' | 'arguments' | 'reply'> {
  /** Nodes to ask; a bare name asks that node alone, and its answer is returned without the name around it. */
  readonly destination?: string | readonly string[] | null | undefined
}

/** Answers by node name, or of the one node asked; null when nobody answered. */
export type InspectAnswer<T, One extends boolean> =
  | (One extends true ? T : Readonly<Record<string, T>>)
  | null

/**
 * Questions to workers (celery/app/control.py 5.7, Inspect). Without destinations each takes the whole `timeoutMs`, since nobody knows
 * how many nodes there are.
 */
export class Inspect<One extends boolean = false> {
  readonly #mailbox: Mailbox
  readonly #options: InspectOptions
  readonly #warn: ((message: string) => void) | undefined

  constructor(mailbox: Mailbox, options: InspectOptions = {}, warn?: (message: string) => void) {
    this.#mailbox = mailbox
    this.#options = options
    this.#warn = warn
  }

  /** Alive? */
  ping(): Promise<InspectAnswer<OkReply<'pong'>, One>> {
    return this.request('ping')
  }

  /** What runs now. `safe`: arguments as text. */
  active(options: { readonly safe?: boolean } = {}): Promise<InspectAnswer<readonly RequestInfo[], One>> {
    return this.request('active', options.safe === undefined ? {} : { safe: options.safe })
  }

  /** Received, neither started nor waiting for an ETA. */
  reserved(): Promise<InspectAnswer<readonly RequestInfo[], One>> {
    return this.request('reserved')
  }

  /** Waiting for an ETA, or for a rate limit. */
  scheduled(): Promise<InspectAnswer<readonly ScheduledInfo[], One>> {
    return this.request('scheduled')
  }

  /** Ids of revoked tasks. */
  revoked(): Promise<InspectAnswer<readonly string[], One>> {
    return this.request('revoked')
  }

  /** Task names, each followed by ` [attribute=value …]` for those of the attributes that are set. */
  registered(...taskinfoitems: readonly string[]): Promise<InspectAnswer<readonly string[], One>> {
    return this.request('registered', { taskinfoitems })
  }

  stats(): Promise<InspectAnswer<StatsInfo, One>> {
    return this.request('stats')
  }

  /** Queues consumed from. */
  activeQueues(): Promise<InspectAnswer<readonly ActiveQueueInfo[], One>> {
    return this.request('active_queues')
  }

  /** Settings by their Python names, secrets hidden. */
  conf(
    options: { readonly withDefaults?: boolean } = {},
  ): Promise<InspectAnswer<Readonly<Record<string, unknown>>, One>> {
    return this.request('conf', { with_defaults: options.withDefaults ?? false })
  }

  /** State and request of tasks by id; unknown ids are left out. */
  queryTask(
    ...ids: readonly (string | readonly string[])[]
  ): Promise<InspectAnswer<Readonly<Record<string, QueriedTask>>, One>> {
    return this.request('query_task', { ids: ids.flat() })
  }

  report(): Promise<InspectAnswer<OkReply, One>> {
    return this.request('report')
  }

  clock(): Promise<InspectAnswer<{ readonly clock: number }, One>> {
    return this.request('clock')
  }

  /** Resident memory as text. */
  memsample(): Promise<InspectAnswer<string | null, One>> {
    return this.request('memsample')
  }

  memdump(samples = 10): Promise<InspectAnswer<string, One>> {
    return this.request('memdump', { samples })
  }

  objgraph(
    type = 'Request',
    n = 200,
    maxDepth = 10,
  ): Promise<InspectAnswer<{ readonly filename: string } | ErrorReply, One>> {
    return this.request('objgraph', { num: n, max_depth: maxDepth, type })
  }

  /** Exchange of revoked ids between workers (mingle). */
  hello(fromNode: string, revoked: readonly string[] = []): Promise<InspectAnswer<HelloInfo, One>> {
    return this.request('hello', { from_node: fromNode, revoked })
  }

  /** Any inspect command, such as one of your own. */
  async request<T = unknown>(
    command: string,
    args: Readonly<Record<string, unknown>> = {},
  ): Promise<InspectAnswer<T, One>> {
    const { destination, ...options } = this.#options
    const one = typeof destination === 'string'
    const replies = await this.#mailbox.broadcast(command, {
      ...options,
      destination: one ? [destination] : destination,
      arguments: args,
      reply: true,
    })
    if (replies.length === 0) return null
    const byNode: Record<string, unknown> = {}
    for (const reply of replies) {
      for (const [node, value] of Object.entries(reply)) {
        if (Object.hasOwn(byNode, node)) {
          this.#warn?.(
            `Two nodes named "${node}" answered "${command}". Give each worker a name of its own (-n).`,
          )
        }
        Object.defineProperty(byNode, node, { value, enumerable: true, writable: true, configurable: true })
      }
    }
    if (!one) return byNode as InspectAnswer<T, One>
    return (Object.hasOwn(byNode, destination) ? byNode[destination] : null) as InspectAnswer<T, One>
  }
}
