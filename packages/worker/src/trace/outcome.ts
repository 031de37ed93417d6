/** What a run came to, as the slot reports it; what it means is decided in the worker's main thread. */
export type Outcome =
  | { readonly kind: 'returned'; readonly value: unknown }
  | { readonly kind: 'threw'; readonly error: unknown }
  /** The slot is gone: process or thread died, or the pool was closed. */
  | {
      readonly kind: 'lost'
      readonly reason: string
      readonly signal: string | undefined
      readonly exitCode: number | undefined
    }
