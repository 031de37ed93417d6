import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import {
  BrokerUnavailableError,
  CeleryError,
  errorCodes,
  isCeleryError,
  isRefusal,
  isRetryable,
  PublishError,
} from './errors.ts'

describe('errors', () => {
  it('are listed on the reference page, each once, and no others', () => {
    const page = readFileSync(new URL('../../../docs/reference/errors.md', import.meta.url), 'utf8')
    const listed = [...page.matchAll(/^\| `(CT_[A-Z_]+)` \|/gm)].map(([, code]) => code)
    expect(listed.toSorted()).toEqual(Object.keys(errorCodes).toSorted())
  })

  it('carry code, retryable, details and cause', () => {
    const cause = new Error('ECONNREFUSED')
    const error = new BrokerUnavailableError('no broker at redis://localhost', {
      cause,
      details: { port: 6379 },
    })
    expect(error).toMatchObject({
      name: 'BrokerUnavailableError',
      code: 'CT_BROKER_UNAVAILABLE',
      retryable: true,
      details: { port: 6379 },
      cause,
    })
    expect(new CeleryError('CT_INTERNAL', 'x')).toMatchObject({ retryable: false, details: {} })
    expect('cause' in new CeleryError('CT_INTERNAL', 'x')).toBe(false)
  })

  it('say what is known about a publish', () => {
    const error = new PublishError('lost', { maybeDelivered: true, details: { queue: 'celery' } })
    expect(error.maybeDelivered).toBe(true)
    expect(error.details).toEqual({ queue: 'celery', maybeDelivered: true })
  })

  it('recognise those of another copy of the package by their brand', () => {
    class Foreign extends Error {
      readonly code = 'CT_PUBLISH'
    }
    Object.defineProperty(Foreign, 'name', { value: 'PublishError' })
    const foreign = new Foreign('from another copy')
    expect(foreign instanceof CeleryError).toBe(false)
    Object.defineProperty(foreign, Symbol.for('ct.error'), { value: true })
    expect(isCeleryError(foreign)).toBe(true)
    expect(foreign instanceof CeleryError).toBe(true)
    expect(foreign instanceof PublishError).toBe(true)
    expect(foreign instanceof BrokerUnavailableError).toBe(false)
    expect(isCeleryError(new Error('CT_PUBLISH'))).toBe(false)
    expect(isCeleryError(null)).toBe(false)
    const away = new PublishError('away', { retryable: true, maybeDelivered: false })
    const refused = new PublishError('refused', { retryable: false, maybeDelivered: false })
    expect([away, refused, new Error('bug'), null].map(isRetryable)).toEqual([true, false, false, false])
    expect([away, refused, new Error('bug'), null].map(isRefusal)).toEqual([false, true, false, false])
  })
})
