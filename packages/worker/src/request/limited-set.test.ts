import { describe, expect, it } from 'vitest'
import { deduplication } from '../deduplication.ts'
import type { Environment } from './environment-number.ts'
import { LimitedSet } from './limited-set.ts'
import { Revocations } from './revocations.ts'

describe('LimitedSet', () => {
  it('WORK-95, PAIN-10: forgets the oldest beyond its size and what is too old', () => {
    let now = 0
    const set = new LimitedSet({ max: 3, expiresMs: 100, now: () => now })
    for (const id of ['a', 'b', 'c', 'd']) set.add(id)
    expect(set.ids()).toEqual(['b', 'c', 'd'])
    now = 50
    set.add('b')
    expect(set.ids()).toEqual(['c', 'd', 'b'])
    now = 120
    expect(set.has('c')).toBe(false)
    expect(set.has('b')).toBe(true)
    expect(set.ids()).toEqual(['b'])
  })
})

describe('what a worker remembers of ids', () => {
  const kept = { results: { enabled: true, readable: true } } as unknown as Parameters<
    typeof deduplication
  >[0]

  it.each([
    ['CELERY_WORKER_REVOKES_MAX', (environment: Environment) => new Revocations({ environment })],
    ['CELERY_WORKER_REVOKE_EXPIRES', (environment: Environment) => new Revocations({ environment })],
    ['CELERY_WORKER_SUCCESSFUL_MAX', (environment: Environment) => deduplication(kept, true, environment)],
    [
      'CELERY_WORKER_SUCCESSFUL_EXPIRES',
      (environment: Environment) => deduplication(kept, true, environment),
    ],
  ])('D57-119, WORK-95, SET-213: %s is a number, else it is told by name', (name, make) => {
    expect(() => make({ [name]: 'many' })).toThrow(`The environment variable ${name} is "many"`)
    expect(() => make({ [name]: '-1' })).toThrow('Give a number')
    make({ [name]: '2' })
  })

  it('WORK-95: as many as it says', () => {
    const { ids } = new Revocations({ environment: { CELERY_WORKER_REVOKES_MAX: '2' } })
    for (const id of ['a', 'b', 'c']) ids.add(id)
    expect(ids.ids()).toEqual(['b', 'c'])
  })
})
