import { describe, expect, it } from 'vitest'
import { type FailedSuite, secondAttemptsOf } from './second-attempt.ts'

const suite = (id: string, failed: number | undefined, crashed = false): FailedSuite => ({
  id,
  failures: failed === undefined ? undefined : Array.from({ length: failed }, (_, n) => `test ${n}`),
  crashed,
})

describe('a second attempt', () => {
  it('is given to a unit suite in which at most two tests failed', () => {
    expect(secondAttemptsOf([suite('@ct/worker:unit', 1)])).toEqual(['@ct/worker:unit'])
    expect(secondAttemptsOf([suite('@ct/worker:unit', 2)])).toEqual(['@ct/worker:unit'])
    expect(secondAttemptsOf([suite('@ct/worker:unit', 3)])).toEqual([])
  })

  it('is not given to a unit suite that left no summary, unless Node itself crashed', () => {
    expect(secondAttemptsOf([suite('@ct/worker:unit', undefined)])).toEqual([])
    expect(secondAttemptsOf([suite('@ct/worker:unit', undefined, true)])).toEqual(['@ct/worker:unit'])
    expect(secondAttemptsOf([suite('@ct/worker:unit', 9, true)])).toEqual(['@ct/worker:unit'])
  })

  it('is given to a suite with servers, whatever failed in it', () => {
    const failed = [suite('@ct/worker:interop', 20), suite('@ct/beat:conformance', undefined)]
    expect(secondAttemptsOf(failed)).toEqual(['@ct/worker:interop', '@ct/beat:conformance'])
  })

  it('is given to nobody when three suites failed', () => {
    const failed = ['a', 'b', 'c'].map((name) => suite(`@ct/${name}:unit`, 1))
    expect(secondAttemptsOf(failed)).toEqual([])
    expect(secondAttemptsOf(failed.slice(1))).toEqual(['@ct/b:unit', '@ct/c:unit'])
  })

  it('is not given to what is no suite', () => {
    expect(secondAttemptsOf([suite('@ct/client:types', undefined), suite('@ct/client:lint', 1)])).toEqual([])
  })
})
