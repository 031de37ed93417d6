import { ConfigurationError, isPlainObject, isRawJson, pyRepr } from '@ct/contracts'
import type { AnySignature } from './signature.ts'

/**
 * What canvases are made of, checked for those who have no compiler that does: throws `CT_CONFIGURATION` with the place, and what was meant, for anything
 * but a signature. `place` is as in "chain: step 2".
 */
export function canvasPart(place: string, part: unknown): AnySignature {
  if (isSignature(part)) return part
  throw new ConfigurationError(`${place} ${problemOf(part)}`, { details: { place } })
}

/** By its looks: signatures are made of what checks them. */
function isSignature(part: unknown): part is AnySignature {
  return (
    typeof part === 'object' && part !== null && 'freezeWith' in part && typeof part.freezeWith === 'function'
  )
}

/** {@link canvasPart} for each; `what` is "chain: step". */
export function canvasParts(what: string, parts: readonly unknown[]): readonly AnySignature[] {
  return parts.map((part, index) => canvasPart(`${what} ${index + 1}`, part))
}

/** A callback: a signature, or one that Python or a message wrote. */
export function linkPart(place: string, callback: unknown): unknown {
  return isRawJson(callback) || isSignatureData(callback)
    ? callback
    : canvasPart(place + ': the callback', callback)
}

function isSignatureData(part: unknown): boolean {
  return isPlainObject(part) && typeof part['task'] === 'string'
}

function problemOf(part: unknown): string {
  if (part === undefined || part === null) return `is ${String(part)}, not a signature.`
  if (isTask(part))
    return `is the task ${part.name}, not a call of it. Write .s(…), with its arguments or without.`
  if (part instanceof Promise)
    return 'is a promise, not a signature. task.delay(…) sends at once; task.s(…) makes a signature.'
  if (isRawJson(part) || isSignatureData(part))
    return 'is data, not a signature. app.signature(data) makes one of it.'
  if (typeof part === 'object' && Symbol.iterator in part)
    return 'is a list, not a signature. Spread it: chain(...steps), first.pipe(...steps).'
  return `is ${pyRepr(part).slice(0, 60)}, not a signature. task(…) calls the function; task.s(…) makes a signature.`
}

function isTask(part: unknown): part is { readonly name: string } {
  return (
    (typeof part === 'function' || typeof part === 'object') &&
    part !== null &&
    's' in part &&
    typeof part.s === 'function'
  )
}
