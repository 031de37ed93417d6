import type { Journal } from './journal.ts'

const everyMs = 100
const worthMs = 500

/** Writes down when this process did not run for half a second or more: a lease may have run out meanwhile. */
export function watchStalls(journal: Journal): void {
  let last = Date.now()
  setInterval(() => {
    const now = Date.now()
    if (now - last > worthMs) journal.write({ e: 'stall', from: last })
    last = now
  }, everyMs).unref()
}
