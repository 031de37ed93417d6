/**
 * What a child of the pool runs. It speaks with the worker over file descriptor 3, and calls it over 4; standard output and error are the worker's own.
 *
 * Signals that a supervisor or a terminal sends to the whole group (TERM, INT, QUIT, HUP) are the worker's business: a child that obeyed
 * would lose the task that the worker wants to wait for. The worker ends a child by SIGKILL, or by closing its pipe.
 */
import { writeSync } from 'node:fs'
import { Socket } from 'node:net'
import { serveSlot, type ToSlot } from '@ct/contracts/pool-kit'
import { encodeMessage, MessageReader } from './message-codec.ts'
import { endWithParent } from './orphan-watch.ts'

for (const signal of ['SIGTERM', 'SIGINT', 'SIGQUIT', 'SIGHUP', 'SIGUSR1'] as const)
  process.on(signal, () => {})
endWithParent()

const measuresMemory = process.argv[2] === 'measures-memory'
const pipeFd = 3
const callsFd = 4
const pipe = new Socket({
  fd: pipeFd,
  // Read into the same memory again and again: what is kept of it is copied.
  onread: {
    buffer: Buffer.allocUnsafe(64 * 1024),
    callback(length, bytes) {
      reader.push(Buffer.from(bytes.subarray(0, length)))
      return true
    },
  },
})
const calls = new Socket({ fd: callsFd })
calls.on('error', () => undefined)

/** Straight into the pipe, which a stream of Node gets to by a way that costs three times as much. Gives how much of it is there. */
function writeNow(fd: number, bytes: Buffer): number {
  // There a pipe is no file.
  if (process.platform === 'win32') return 0
  try {
    return writeSync(fd, bytes)
  } catch {
    // Full, or the worker is gone: the stream knows what to do.
    return 0
  }
}

const call = Buffer.from('!')

const receive = serveSlot({
  pid: process.pid,
  // In the kernel's hands when this returns, as long as the pipe has room.
  send(frames) {
    const bytes = encodeMessage(frames)
    const written = pipe.writableLength === 0 ? writeNow(pipeFd, bytes) : 0
    if (written < bytes.length) pipe.write(written === 0 ? bytes : bytes.subarray(written))
    return pipe.writableLength === 0
  },
  call() {
    if (calls.writableLength > 0 || writeNow(callsFd, call) === 0) calls.write(call)
  },
  // The most it ever was, as Celery counts.
  memoryKb: () => (measuresMemory ? process.resourceUsage().maxRSS : 0),
  exit(code) {
    pipe.end(() => process.exit(code))
    setTimeout(() => process.exit(code), 1000)
  },
})

const reader = new MessageReader((frames) => receive(frames as readonly ToSlot[]))
// The worker is gone, or has ended us.
pipe.on('close', () => process.exit(1))
pipe.on('error', () => process.exit(1))
