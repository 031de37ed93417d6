import type { Link } from '../connection/link.ts'

/**
 * A sentence for the operator where the server may throw away what is queued: a limit of memory, and a policy that evicts any key. Undefined:
 * nothing to say, or the server does not tell.
 */
export async function evictionWarning(link: Link): Promise<string | undefined> {
  let info: string
  try {
    info = String(await link.send('info', ['memory']))
  } catch {
    return undefined
  }
  const limit = Number(/^maxmemory:(\d+)/m.exec(info)?.[1] ?? 0)
  const policy = /^maxmemory_policy:(\S+)/m.exec(info)?.[1]
  if (limit === 0 || policy?.startsWith('allkeys') !== true) return undefined
  return `Redis at ${link.where} has the eviction policy "${policy}": when its memory is full it deletes queues and bindings, and the tasks in them are lost. Set maxmemory-policy to noeviction.`
}
