import type { ResultMeta } from '@ct/contracts'
import { EagerResult, GroupResult, soon } from '../result/index.ts'
import type { ResultNode, WaitOptions } from '../result/index.ts'

/** Results of a group that ran in this process, or is empty: complete, and asked of its members instead of a store. */
export class EagerGroupResult<T = unknown> extends GroupResult<T> {
  override get(options: WaitOptions = {}): Promise<T[]> {
    return this.join(options)
  }

  override joinNative(options: WaitOptions = {}): Promise<T[]> {
    return this.join(options)
  }

  override ready(): Promise<boolean> {
    return Promise.resolve(true)
  }

  override async successful(): Promise<boolean> {
    return (await this.#states()).every((state) => state === 'SUCCESS')
  }

  override async failed(): Promise<boolean> {
    return (await this.#states()).includes('FAILURE')
  }

  override async completedCount(): Promise<number> {
    return (await this.#states()).filter((state) => state === 'SUCCESS').length
  }

  override async maybeThrow(options: Pick<WaitOptions, 'propagate' | 'callback'> = {}): Promise<void> {
    for (const member of this.results) await member.maybeThrow(options)
  }

  override async *iterate(options: WaitOptions = {}): AsyncGenerator<readonly [string, T], void, undefined> {
    for (const member of this.results) yield [member.id, (await member.get(options)) as T] as const
  }

  override async *iterNative(): AsyncGenerator<readonly [string, ResultMeta], void, undefined> {
    for (const member of this.results) {
      if (member instanceof GroupResult) yield* member.iterNative()
      else yield [member.id, await member.meta()]
    }
  }

  override onReady(callback: (results: this) => void): () => void {
    return soon(() => callback(this))
  }

  async #states(): Promise<readonly string[]> {
    return await Promise.all(this.results.map(stateOf))
  }
}

async function stateOf(member: ResultNode): Promise<string> {
  if (member instanceof EagerResult) return await member.state()
  return (await member.successful()) ? 'SUCCESS' : 'FAILURE'
}
