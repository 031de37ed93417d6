import type { App } from '../app/app.ts'
import { canvasPart } from './canvas-part.ts'
import { mostSignatures } from './extent.ts'
import type { AnySignature } from './signature.ts'

/**
 * Members of a group that a generator gives: drawn when they are wanted, once, and kept, so that the group can be looked at and sent again
 * (celery/utils/functional.py 5.7, `regen`).
 */
export class LazyMembers {
  readonly #source: Iterator<unknown>
  readonly #what: string
  readonly #drawn: AnySignature[] = []
  #signatures = 0
  #ended = false
  /** What the generator threw, or gave that is no signature. It gives nothing more then; a part of a group is no group. */
  #failure: { readonly error: unknown } | undefined

  /** `what` they are, for errors: "group: member". */
  constructor(source: Iterable<unknown>, what = 'group: member') {
    this.#source = source[Symbol.iterator]()
    this.#what = what
  }

  /** A list is there already, and so is what can be walked through again; a generator is not. */
  static isOf(members: Iterable<unknown>): boolean {
    return 'next' in members && typeof members.next === 'function'
  }

  /** That of the first member that has one. */
  get app(): App | undefined {
    return this.slice(0, 1)[0]?.app ?? this.all().find(({ app }) => app !== undefined)?.app
  }

  all(): readonly AnySignature[] {
    return this.slice(0, Infinity)
  }

  /** Draws no further than needed; empty behind the last. Rethrows what the generator throws. */
  slice(from: number, to: number): readonly AnySignature[] {
    while (this.#drawn.length < to && !this.#ended) this.#draw()
    return to === Infinity && from === 0 ? this.#drawn : this.#drawn.slice(from, to)
  }

  /** Beyond what goes into one canvas: whoever draws has to refuse it. */
  get areTooMany(): boolean {
    return this.#signatures > mostSignatures
  }

  #draw(): void {
    if (this.#failure !== undefined) throw this.#failure.error
    try {
      const next = this.#source.next()
      if (next.done === true) {
        this.#ended = true
        return
      }
      const member = canvasPart(`${this.#what} ${this.#drawn.length + 1}`, next.value)
      this.#drawn.push(member)
      this.#signatures += member.extent().signatures
      // One that never ends must not take all memory.
      if (this.areTooMany) this.#ended = true
    } catch (error) {
      this.#failure = { error }
      throw error
    }
  }
}
