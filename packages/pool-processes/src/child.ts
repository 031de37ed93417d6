/**
 * What a child of the pool runs. It speaks with the worker over file descriptor 3, and calls it over 4; standard output and error are the worker's own.
 *
 * Signals that a supervisor or a terminal sends to the whole group (TERM, INT, QUIT, HUP) are the worker's business: a child that obeyed
 * would lose the task that the worker wants to wait for. The worker ends a child by SIGKILL, or by closing its pipe.
 */
import { Socket } from 'node:net'
import { serveSlot, type ToSlot } from '@ct/contracts/pool-kit'
import { encodeMessage, MessageReader } from './message-codec.ts'
import { endWithParent } from './orphan-watch.ts'

for (const signal of ['SIGTERM', 'SIGINT', 'SIGQUIT', 'SIGHUP', 'SIGUSR1'] as const)
  process.on(signal, () => {})
endWithParent()

const measuresMemory = process.argv[2] === 'measures-memory'
const pipe = new Socket({ fd: 3 })
const calls = new Socket({ fd: 4 })
calls.on('error', () => undefined)

const receive = serveSlot({
  pid: process.pid,
  // In the kernel's hands when this returns, as long as the pipe has room.
  send(frames) {
    pipe.write(encodeMessage(frames))
    return pipe.writableLength === 0
  },
  call: () => void calls.write('!'),
  // The most it ever was, as Celery counts.
  memoryKb: () => (measuresMemory ? process.resourceUsage().maxRSS : 0),
  exit(code) {
    pipe.end(() => process.exit(code))
    setTimeout(() => process.exit(code), 1000)
  },
})

const reader = new MessageReader((frames) => receive(frames as readonly ToSlot[]))
pipe.on('data', (chunk: Buffer) => reader.push(chunk))
// The worker is gone, or has ended us.
pipe.on('close', () => process.exit(1))
pipe.on('error', () => process.exit(1))
