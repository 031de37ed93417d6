/**
 * A producer: sends orders at a steady rate, and writes down what it is about to send and what was confirmed. Started again after its death it goes on
 * with what it had not begun. Arguments: orders file, duration in ms.
 */
import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { chain, chord, isCeleryError } from '@ct/core'
import { again, app, journal, plain, step } from './ledger-app.ts'
import { readJournals } from './journal.ts'
import type { Order } from './orders.ts'
import { readScene } from './scene.ts'

const [file = '', duration = '0'] = process.argv.slice(2)
const orders = JSON.parse(readFileSync(file, 'utf8')) as Order[]
const durationMs = Number(duration)
const tickMs = 100

function send(order: Order): Promise<unknown> {
  const { key, kind, queues, workMs, countdownMs = 0, retries = 0 } = order
  const [queue = ''] = queues
  switch (kind) {
    case 'plain':
      return plain.applyAsync([key, workMs], { queue })
    case 'eta':
      return plain.applyAsync([key, workMs], { queue, countdown: countdownMs / 1000 })
    case 'retry':
      return again.applyAsync([key, workMs, retries, countdownMs], { queue })
    case 'chain': {
      const steps = queues.map((one, n) =>
        n === 0
          ? step.s(null, `${key}.0`, workMs).set({ queue: one })
          : app.signature('ledger.step', { args: [`${key}.${n}`, workMs], queue: one }),
      )
      return chain(...steps).applyAsync()
    }
    case 'chord': {
      const parts = queues.slice(0, -1).map((one, n) => plain.s(`${key}.${n}`, workMs).set({ queue: one }))
      return chord(
        parts,
        app.signature('ledger.join', { args: [`${key}.body`, workMs], queue: queues.at(-1) ?? '' }),
      ).applyAsync()
    }
  }
}

function intend(order: Order): void {
  journal.write({ e: 'intent', by: 'ct', order })
}

function refused(order: Order, error: unknown): void {
  const known = isCeleryError(error)
  // What is made of several messages may have been sent in part.
  const several = order.kind === 'chord'
  journal.write({
    e: 'refuse',
    k: order.key,
    maybe: several || !known || error.details['maybeDelivered'] !== false,
    why: known ? `${error.code} ${error.message}` : String(error),
  })
}

async function sendOne(order: Order): Promise<void> {
  intend(order)
  try {
    await send(order)
    journal.write({ e: 'confirm', k: order.key })
  } catch (error) {
    refused(order, error)
  }
}

/** Plain orders of a tick go in one call. */
async function sendBatch(batch: readonly Order[]): Promise<void> {
  for (const order of batch) intend(order)
  const signatures = batch.map(({ key, workMs, queues }) =>
    plain.s(key, workMs).set({ queue: queues[0] ?? '' }),
  )
  try {
    await app.sendMany(signatures)
    for (const { key } of batch) journal.write({ e: 'confirm', k: key })
  } catch (error) {
    // Some may have been taken; which, nobody asked.
    for (const order of batch) journal.write({ e: 'refuse', k: order.key, maybe: true, why: String(error) })
  }
}

const ours = new Set(orders.map(({ key }) => key))
const begun = readJournals(readScene().folder).flatMap((entry) =>
  entry.e === 'intent' && ours.has(entry.order.key) ? [entry] : [],
)
const begunKeys = new Set(begun.map(({ order }) => order.key))
const startedAt = begun[0]?.t ?? Date.now()
const open: Promise<void>[] = []
for (let sent = 0, tick = 0; sent < orders.length; tick += 1) {
  const due =
    durationMs === 0
      ? orders.length
      : Math.ceil(((Date.now() - startedAt + tickMs) / durationMs) * orders.length)
  const next = orders.slice(sent, due)
  sent += next.length
  const some = next.filter(({ key }) => !begunKeys.has(key))
  const batch = tick % 3 === 0 ? some.filter(({ kind }) => kind === 'plain') : []
  if (batch.length > 0) open.push(sendBatch(batch))
  for (const order of some) if (!batch.includes(order)) open.push(sendOne(order))
  await sleep(tickMs)
}
await Promise.all(open)
await app.close()
// The watch for stalls and the journal need no end; what else is open would be a leak, and shows as a hang.
