import { writeSync } from 'node:fs'

/** What a reader that is slow may take in all. */
const patienceMs = 5_000
const pauseMs = 10
const never = new Int32Array(new SharedArrayBuffer(4))

/**
 * Writes a text to standard output or error from a thread, all of it, however full the pipe is meanwhile; it waits here. Never throws: where
 * nobody reads any more, it is lost, as in the main thread.
 */
export function writeFully(fd: number, text: string): void {
  const bytes = Buffer.from(text)
  const end = performance.now() + patienceMs
  for (let from = 0; from < bytes.length;) {
    try {
      from += writeSync(fd, bytes, from)
    } catch (error) {
      // Node makes the pipes of a process such that a write to a full one fails.
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN' || performance.now() > end) return
      Atomics.wait(never, 0, 0, pauseMs)
    }
  }
}
