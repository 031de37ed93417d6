/**
 * Vitest setup file: `vi.waitFor` and `vi.waitUntil` are as patient as `expect.poll` of the configuration, which has no option for them.
 * Their default, a second, is less than a busy machine may stand still.
 */
import { vi } from 'vitest'
import { patienceMs } from './patience-ms.ts'

const { waitFor, waitUntil } = vi

function patient<T extends { timeout?: number }>(options: number | T | undefined): T | { timeout: number } {
  return typeof options === 'number' ? { timeout: options } : { timeout: patienceMs, ...options }
}

vi.waitFor = (callback, options) => waitFor(callback, patient(options))
vi.waitUntil = (callback, options) => waitUntil(callback, patient(options))
