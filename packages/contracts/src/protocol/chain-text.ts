import { Buffer } from 'node:buffer'
import { endOfItems, lastItem, RawJson } from '../serialization/index.ts'

/**
 * Source text of the steps of a chain that are left. The last one is next: each hop cuts it off and passes on the others. They stay where they are, in
 * the text that was received once: nothing of them is copied, looked through or put together again on the way.
 */
export class ChainText extends RawJson {
  /** The array without its closing bracket. */
  readonly #open: string
  #ascii: boolean | undefined
  #typed: boolean | undefined
  #next: RawJson | undefined
  /** Where those before the last one end. */
  #end: number | undefined

  private constructor(open: string) {
    // Two pieces, which are put together when somebody reads the text.
    super(open + ']')
    this.#open = open
  }

  /** `text` is a JSON array with a member, without blanks around it; of the others only the last is looked at, when it is split. Error: `CT_DECODE`. */
  static of(text: string): ChainText {
    return new ChainText(text.slice(0, endOfItems(text)))
  }

  get open(): string {
    return this.#open
  }

  /** Nothing in it has to be escaped. */
  get ascii(): boolean {
    const open = this.#open
    return (this.#ascii ??= Buffer.byteLength(open) === open.length && !open.includes('\x7f'))
  }

  /** It may hold values that have a type of their own. */
  get typed(): boolean {
    return (this.#typed ??= this.#open.includes('__type__'))
  }

  /** Undefined for `rest`: this was the last one. Error: `CT_DECODE`. */
  split(): { readonly next: RawJson; readonly rest: ChainText | undefined } {
    if (this.#next === undefined) {
      const { end, last } = lastItem(this.#open, this.#open.length)
      this.#next = RawJson.trusted(last)
      this.#end = end
    }
    const next = this.#next
    if (this.#end === undefined) return { next, rest: undefined }
    // Not kept: with what is kept of it in turn, each hop would hold on to all that follow.
    const rest = new ChainText(this.#open.slice(0, this.#end))
    // What the whole has nothing of, a part of it has nothing of either.
    if (this.#ascii === true) rest.#ascii = true
    if (this.#typed === false) rest.#typed = false
    return { next, rest }
  }
}
