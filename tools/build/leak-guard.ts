/**
 * Vitest setup file: fails a test file that leaves workers, child processes, sockets, servers or timers alive.
 *
 * What keeps a test process alive is what would keep a user's process alive. Node lists it in
 * `process.getActiveResourcesInfo()` (only what is ref'd, so an unref'd heartbeat is fine); vitest's own channel to its parent is
 * counted before the file's code runs. Closing takes a few turns of the event loop, hence the grace period.
 */
import { createHook } from 'node:async_hooks'
import { Socket } from 'node:net'
import { afterAll, vi } from 'vitest'

/** Resources that end by themselves within a turn or two, or that never keep anything alive for long. */
const passing = new Set([
  'Immediate',
  'FSReqCallback',
  'FSReqPromise',
  'GetAddrInfoReqWrap',
  'CloseReq',
  'TTYWrap',
])
/** A server that was killed while it wrote to a slow disk closes its sockets when the disk lets it go. */
const graceMs = 5_000

/** Taken before a test can fake them. */
const { setTimeout: wait } = globalThis
/** Importing `node:process`, as commander does, opens standard input. */
void process.stdin
const baseline = census()

/** Threads are not in Node's list of resources. */
let threads = 0
process.on('worker', (thread) => {
  threads += 1
  thread.once('exit', () => {
    threads -= 1
  })
})

/** With `CT_LEAK_TRACE=1`, where each resource was made: slow, so only for hunting. */
const origins = new Map<number, { type: string; stack: string }>()
if (process.env['CT_LEAK_TRACE'] === '1') {
  createHook({
    init: (id, type) => {
      if (!passing.has(type) && type !== 'PROMISE')
        origins.set(id, { type, stack: new Error(type).stack ?? '' })
    },
    destroy: (id) => void origins.delete(id),
  }).enable()
}

function census(): Map<string, number> {
  const counts = new Map<string, number>()
  for (const type of process.getActiveResourcesInfo()) {
    if (!passing.has(type)) counts.set(type, (counts.get(type) ?? 0) + 1)
  }
  return counts
}

function leaks(): string[] {
  const resources = [...census()]
    .filter(([type, count]) => count > (baseline.get(type) ?? 0))
    .map(([type, count]) => `${count - (baseline.get(type) ?? 0)} × ${type}`)
  return threads > 0 ? [...resources, `${threads} × Worker`] : resources
}

/** Both ends of the sockets that are open, which tell a database from a browser at a glance. */
function sockets(): string {
  const handles = (process as unknown as { _getActiveHandles(): unknown[] })._getActiveHandles()
  const open = handles.filter((one) => one instanceof Socket && one.remotePort !== undefined) as Socket[]
  const ends = open.map(
    (one) =>
      `${one.localPort ?? '?'} → ${one.remoteAddress ?? '?'}:${one.remotePort ?? '?'} ` +
      `(${one.readyState}${one.destroyed ? ', destroyed' : ''}, ${one.bytesRead} bytes read, ${one.readableLength} unread)`,
  )
  return ends.length === 0 ? '' : `Sockets: ${ends.join(', ')}. `
}

function hint(): string {
  if (origins.size === 0) return `${sockets()}Run the file with CT_LEAK_TRACE=1 to see where they were made.`
  const stacks = [...origins.values()].map(({ stack }) => stack.split('\n').slice(0, 9).join('\n'))
  return [...new Set(stacks)].join('\n\n')
}

afterAll(async () => {
  vi.useRealTimers()
  let left = leaks()
  for (let waited = 0; left.length > 0 && waited < graceMs; waited += 20) {
    await new Promise<void>((resolve) => {
      wait(resolve, 20)
    })
    left = leaks()
  }
  if (left.length > 0) throw new Error(`this file leaves alive: ${left.join(', ')}. ${hint()}`)
})
