import { expect, it } from 'vitest'
import { didYouMean, nearestName } from './nearest-name.ts'

it('suggests the nearest name, if it is near enough', () => {
  expect(nearestName('taskAckLate', ['taskAcksLate', 'taskTrackStarted'])).toBe('taskAcksLate')
  expect(nearestName('task_acks_late', ['taskAcksLate'])).toBe('taskAcksLate')
  expect(didYouMean('colour', ['taskAcksLate'])).toBe('')
})

it('suggests a name that goes on as this one begins', () => {
  const options = ['maxRetriesEver', 'maxRetries', 'maxDeliveries', 'retry', 'retryJitter', 'bind']
  expect(didYouMean('maxRetry', options)).toBe(' Did you mean "maxRetries"?')
  expect(nearestName('retryJit', options)).toBe('retryJitter')
  expect(nearestName('retrx', options)).toBe('retry')
  expect(nearestName('bin', options)).toBe('bind')
  expect(nearestName('max', options)).toBeUndefined()
})
