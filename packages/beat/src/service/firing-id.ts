/**
 * The id of the task that a firing sends: a UUID (version 5, RFC 9562) of what is fired and for when. Every beat that makes the same firing makes
 * the same id, so that a worker knows a second one by the result of the first.
 */
import { createHash } from 'node:crypto'

/** Namespace of these ids. */
const namespace = Buffer.from('6f1d0c5ad1b24d0e9d5c1f0b7c6a2e43', 'hex')

/** `app`: name of the app; apps that share a result store and a name share ids too. `scheduledAt`: epoch ms. */
export function firingId(app: string, entry: string, task: string, scheduledAt: number): string {
  const name = JSON.stringify([app, entry, task, scheduledAt])
  const bytes = createHash('sha1').update(namespace).update(name).digest().subarray(0, 16)
  bytes[6] = (bytes[6]! & 0x0f) | 0x50
  bytes[8] = (bytes[8]! & 0x3f) | 0x80
  const hex = bytes.toString('hex')
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-')
}
