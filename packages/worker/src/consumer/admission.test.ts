import { BackendUnavailableError } from '@ct/contracts'
import { recordingLogger } from '@ct/testing'
import { expect, it } from 'vitest'
import type { Request } from '../request/index.ts'
import { Admission, type AdmissionOptions } from './admission.ts'

it('TASK-78: a redelivered message whose result cannot be looked up runs: given back, it would come again at once, and so on', async () => {
  const ready = Promise.withResolvers<Request>()
  const settled: unknown[] = []
  const options = {
    pool: { size: 1 },
    services: { log: recordingLogger() },
    deduplicate: {
      concerns: () => true,
      settlementOf: () => Promise.reject(new BackendUnavailableError('away')),
    },
    marksUnstarted: false,
    onSettled: () => undefined,
  } as unknown as AdmissionOptions
  const admission = new Admission(options, { mayStart: true, ready: (request) => ready.resolve(request) })
  const request = {
    label: 't[1]',
    phase: 'reserved',
    strategy: { options: { maxDeliveries: 5 } },
    delivery: { info: { redelivered: true }, countStart: () => Promise.resolve(1) },
    settle: (settlement: unknown) => {
      settled.push(settlement)
      ready.reject(new Error('settled'))
    },
  } as unknown as Request
  expect(admission.examine(request)).toBe(true)
  expect(await ready.promise).toBe(request)
  expect(settled).toEqual([])
})
