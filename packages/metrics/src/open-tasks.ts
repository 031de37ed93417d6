interface OpenTask {
  readonly task: string
  /** When it could have started: received, and its ETA has come. Epoch ms. */
  readonly readyAt: number
  startedAt: number | undefined
}

/** Some end without an event: a task that was ignored, or whose lease was lost. The oldest are forgotten beyond that. */
const most = 10_000

/**
 * The tasks that a worker has, by id: its events name a task only when it is received. The copy of a retry has the same id, and may be received
 * before the attempt that it follows is said to have ended: attempts end in the order in which they came.
 */
export class OpenTasks {
  readonly #tasks = new Map<string, OpenTask[]>()

  receive(id: string, task: string, eta: string | null): void {
    const now = Date.now()
    const due = eta === null ? now : Date.parse(eta)
    const open = { task, readyAt: due > now ? due : now, startedAt: undefined }
    const attempts = this.#tasks.get(id)
    if (attempts !== undefined) {
      attempts.push(open)
      return
    }
    this.#tasks.set(id, [open])
    if (this.#tasks.size <= most) return
    for (const oldest of this.#tasks.keys()) {
      this.#tasks.delete(oldest)
      break
    }
  }

  start(id: string): { readonly task: string; readonly waitSeconds: number } | undefined {
    const open = this.#tasks.get(id)?.find(({ startedAt }) => startedAt === undefined)
    if (open === undefined) return undefined
    open.startedAt = performance.now()
    return { task: open.task, waitSeconds: Math.max(0, Date.now() - open.readyAt) / 1000 }
  }

  nameOf(id: string): string | undefined {
    return this.#tasks.get(id)?.[0]?.task
  }

  /** No run, no runtime. */
  end(id: string): { readonly task: string; readonly runtimeSeconds: number | undefined } | undefined {
    const attempts = this.#tasks.get(id)
    const open = attempts?.shift()
    if (attempts?.length === 0) this.#tasks.delete(id)
    if (open === undefined) return undefined
    const { task, startedAt } = open
    return {
      task,
      runtimeSeconds: startedAt === undefined ? undefined : (performance.now() - startedAt) / 1000,
    }
  }
}
