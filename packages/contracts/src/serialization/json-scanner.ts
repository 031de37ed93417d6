import { DecodeError } from '../errors.ts'

/**
 * Cuts valid JSON text into the source text of its members without decoding them. On text that has not been parsed the slices may be
 * invalid themselves: what is not a bracket, comma, colon, string or blank passes unseen.
 */

/** The members of a JSON array as text. Error: `CT_DECODE` when the text is not an array. */
export function sliceJsonArray(text: string): string[] {
  const start = skipBlank(text, 0)
  if (text.charCodeAt(start) !== 91) throw notA('array')
  const items: string[] = []
  let at = skipBlank(text, start + 1)
  if (text.charCodeAt(at) === 93) return end(text, at, items)
  for (;;) {
    const stop = skipValue(text, at)
    items.push(text.slice(at, trimEnd(text, stop)))
    const code = text.charCodeAt(stop)
    if (code === 93) return end(text, stop, items)
    if (code !== 44) throw notA('array')
    at = skipBlank(text, stop + 1)
  }
}

/**
 * The first `count` members of a JSON array and what follows them up to its closing bracket, as text: the last one if there is one more. Looks at no more
 * than those members. Undefined when they are not there, or the text is no array.
 */
export function splitFirstItems(
  text: string,
  count: number,
): { readonly items: readonly string[]; readonly left: string } | undefined {
  const start = skipBlank(text, 0)
  const stop = trimEnd(text, text.length) - 1
  if (text.charCodeAt(start) !== 91 || text.charCodeAt(stop) !== 93) return undefined
  const items: string[] = []
  let at = skipBlank(text, start + 1)
  while (items.length < count) {
    const end = skipValue(text, at)
    if (text.charCodeAt(end) !== 44) return undefined
    items.push(text.slice(at, trimEnd(text, end)))
    at = skipBlank(text, end + 1)
  }
  return { items, left: text.slice(at, trimEnd(text, stop)) }
}

/**
 * The last member of a JSON array, and the array without it (undefined when that is empty), as text. Looks at no more than that member. Error: `CT_DECODE`
 * when the text is no array with a member.
 */
export function splitLastItem(text: string): { readonly rest: string | undefined; readonly last: string } {
  const { end, last } = lastItem(text, endOfItems(text))
  return { rest: end === undefined ? undefined : text.slice(0, end) + ']', last }
}

/** Where the members of a JSON array end, before its closing bracket. Error: `CT_DECODE`. */
export function endOfItems(text: string): number {
  const close = trimEnd(text, text.length) - 1
  if (text.charCodeAt(close) !== 93) throw notA('array')
  return trimEnd(text, close)
}

/**
 * The last member of a JSON array whose members end at `stop`, and where those before it end (undefined: there are none). Valid JSON can be read
 * backwards, since a quote outside of strings ends one. Error: `CT_DECODE`.
 */
export function lastItem(
  text: string,
  stop: number,
): { readonly end: number | undefined; readonly last: string } {
  let depth = 0
  for (let at = stop - 1; at >= 0; at -= 1) {
    switch (text.charCodeAt(at)) {
      case 34:
        at = openingQuote(text, at)
        break
      case 93:
      case 125:
        depth += 1
        break
      case 91:
      case 123:
        depth -= 1
        if (depth >= 0) break
        if (text.charCodeAt(at) !== 91 || skipBlank(text, 0) !== at) throw notA('array')
        return { end: undefined, last: memberBetween(text, at, stop) }
      case 44:
        if (depth === 0) return { end: trimEnd(text, at), last: memberBetween(text, at, stop) }
    }
  }
  throw notA('array')
}

function memberBetween(text: string, before: number, stop: number): string {
  const start = skipBlank(text, before + 1)
  if (start >= stop) throw notA('value')
  return text.slice(start, stop)
}

/** Of the string that ends at `at`. */
function openingQuote(text: string, at: number): number {
  let index = at
  for (;;) {
    index = index === 0 ? -1 : text.lastIndexOf('"', index - 1)
    if (index < 0) throw notA('complete string')
    let slashes = 0
    while (text.charCodeAt(index - 1 - slashes) === 92) slashes += 1
    if (slashes % 2 === 0) return index
  }
}

/** The members of a JSON object as [key, text]; a repeated key comes repeatedly. Error: `CT_DECODE` when the text is not an object. */
export function sliceJsonObject(text: string): [key: string, text: string][] {
  const start = skipBlank(text, 0)
  if (text.charCodeAt(start) !== 123) throw notA('object')
  const members: [string, string][] = []
  let at = skipBlank(text, start + 1)
  if (text.charCodeAt(at) === 125) return end(text, at, members)
  for (;;) {
    if (text.charCodeAt(at) !== 34) throw notA('object')
    const keyEnd = skipString(text, at)
    const key = parseKey(text.slice(at, keyEnd))
    const colon = skipBlank(text, keyEnd)
    if (text.charCodeAt(colon) !== 58) throw notA('object')
    at = skipBlank(text, colon + 1)
    const stop = skipValue(text, at)
    members.push([key, text.slice(at, trimEnd(text, stop))])
    const code = text.charCodeAt(stop)
    if (code === 125) return end(text, stop, members)
    if (code !== 44) throw notA('object')
    at = skipBlank(text, stop + 1)
  }
}

/** Between quotes; in nearly every key. */
const plainKey = /^"[ !#-[\]-~]*"$/

function parseKey(literal: string): string {
  if (plainKey.test(literal)) return literal.slice(1, -1)
  try {
    return JSON.parse(literal) as string
  } catch (cause) {
    throw new DecodeError('a JSON object has a broken key', { cause, details: { reason: 'json' } })
  }
}

function end<T>(text: string, at: number, result: T): T {
  if (skipBlank(text, at + 1) !== text.length) throw notA('value alone')
  return result
}

/** The index of the comma or closing bracket that ends the value at `at`. */
function skipValue(text: string, at: number): number {
  let depth = 0
  let index = at
  while (index < text.length) {
    switch (text.charCodeAt(index)) {
      case 34:
        index = skipString(text, index)
        continue
      case 91:
      case 123:
        depth += 1
        break
      case 93:
      case 125:
        if (depth === 0) return nonEmpty(at, index)
        depth -= 1
        break
      case 44:
        if (depth === 0) return nonEmpty(at, index)
        break
    }
    index += 1
  }
  throw notA('complete value')
}

function nonEmpty(start: number, stop: number): number {
  if (start === stop) throw notA('value')
  return stop
}

/** The index after the closing quote of the string that opens at `at`. */
function skipString(text: string, at: number): number {
  let index = at + 1
  for (;;) {
    index = text.indexOf('"', index)
    if (index < 0) throw notA('complete string')
    let slashes = 0
    while (text.charCodeAt(index - 1 - slashes) === 92) slashes += 1
    index += 1
    if (slashes % 2 === 0) return index
  }
}

function isBlank(code: number): boolean {
  return code === 32 || code === 10 || code === 13 || code === 9
}

function skipBlank(text: string, at: number): number {
  let index = at
  while (isBlank(text.charCodeAt(index))) index += 1
  return index
}

function trimEnd(text: string, stop: number): number {
  let index = stop
  while (isBlank(text.charCodeAt(index - 1))) index -= 1
  return index
}

function notA(what: string): DecodeError {
  return new DecodeError(`the text is not a JSON ${what}`, { details: { reason: 'json' } })
}
