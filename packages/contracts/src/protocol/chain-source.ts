/**
 * The steps of a chain that are left, as a message carries them: the last one is next. With JSON they are one piece of source text, of which each
 * hop cuts off the end: a long chain is neither taken apart nor put together again on its way.
 */
import { isRawJson, RawJson, sliceJsonArray, splitLastItem } from '../serialization/index.ts'
import { ChainText } from './chain-text.ts'
import type { SignatureSource } from './signature-dict.ts'

/** Text of an array of signatures, or an array of them. Never empty. */
export type ChainSource = RawJson | readonly SignatureSource[]

/** Undefined for `rest`: this was the last one. Error: `CT_DECODE`. */
export function nextOfChain(chain: ChainSource): {
  readonly next: SignatureSource
  readonly rest: ChainSource | undefined
} {
  if (!isRawJson(chain))
    return { next: chain.at(-1)!, rest: chain.length > 1 ? chain.slice(0, -1) : undefined }
  if (chain instanceof ChainText) return chain.split()
  const { rest, last } = splitLastItem(chain.text)
  return { next: RawJson.trusted(last), rest: rest === undefined ? undefined : RawJson.trusted(rest) }
}

/** All of them, each for itself. Error: `CT_DECODE`. */
export function stepsOfChain(chain: ChainSource): readonly SignatureSource[] {
  return isRawJson(chain) ? sliceJsonArray(chain.text).map((text) => RawJson.trusted(text)) : chain
}
