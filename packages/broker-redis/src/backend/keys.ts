/** Names in the result store (celery/backends/base.py and redis.py 5.7). `prefix` is complete. */
export class ResultKeys {
  readonly #task: string
  readonly #group: string

  constructor(prefix: string) {
    this.#task = `${prefix}celery-task-meta-`
    this.#group = `${prefix}celery-taskset-meta-`
  }

  task(taskId: string): string {
    return this.#task + taskId
  }

  taskIdOf(key: string): string {
    return key.slice(this.#task.length)
  }

  group(groupId: string): string {
    return this.#group + groupId
  }

  /** Notes on chords that have been open for a while, for all of ct's workers: a hash by group id. */
  get openChords(): string {
    return `${this.#group}ct.open`
  }

  /** Suffixes `j`, `t`, `s`, `d`, in this order. */
  chordParts(groupId: string): string[] {
    return (['j', 't', 's', 'd'] as const).map((suffix) => this.chord(groupId, suffix))
  }

  /** `j` parts, `t` members added later, `s` size, `d` recorded members, `c` claim (D57-1). */
  chord(groupId: string, suffix: 'j' | 't' | 's' | 'd' | 'c'): string {
    return `${this.#group}${groupId}.${suffix}`
  }
}
