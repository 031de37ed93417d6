/** Saves run after run into the file that it is given, and says so each time. Somebody kills it. */
import { fileScheduleStore } from '../src/store/file-schedule-store.ts'

const store = await fileScheduleStore({ path: process.argv[2]! }).connect({ onNotice: () => undefined })
const entry = {
  name: 'a',
  task: 'proj.tick',
  schedule: { type: 'interval', seconds: 10 },
  args: '[]',
  kwargs: '{}',
  options: '{}',
  enabled: true,
  oneOff: false,
  startAt: undefined,
  expiresAt: undefined,
  description: '',
  origin: 'run-time',
  lastRunAt: undefined,
  totalRunCount: 0,
} as const
await store.save({ put: [entry] })
for (let run = 1; ; run++) {
  await store.save({ runs: [{ name: 'a', lastRunAt: run, totalRunCount: run }] })
  process.stdout.write(`${run}\n`)
}
