/** S1…S6 of the ScheduleStore contract, on a file. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { scheduleStoreConformance } from '@ct/testing/conformance'
import { afterAll } from 'vitest'
import { fileScheduleStore } from './file-schedule-store.ts'

const folder = mkdtempSync(join(tmpdir(), 'ct-schedule-'))
afterAll(() => rmSync(folder, { recursive: true }))
let files = 0

scheduleStoreConformance(
  'file',
  async () => {
    const path = join(folder, String(files++))
    return { store: async () => fileScheduleStore({ path }), close: async () => {} }
  },
  {
    capabilities: fileScheduleStore().capabilities,
    without: ['putBroken', 'broker', 'unreachable', 'loseData'],
  },
)
