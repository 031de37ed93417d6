import { defineAdapter, definePool, type Adapter, type Pool } from '@ct/contracts'
import { describe, expect, it } from 'vitest'
import { resolvePool } from './resolve-pool.ts'

const pool = definePool({
  name: 'fibres',
  packageName: 'fibres',
  capabilities: {
    implementation: 'fibres:TaskPool',
    sharesMemory: false,
    canKill: true,
    isolatesCpu: true,
    resizable: true,
  },
} as unknown as Pool)

const adapter = (more: Partial<Adapter> = {}): Adapter =>
  defineAdapter({
    name: 'fibres',
    packageName: 'fibres',
    brokerSchemes: [],
    backendSchemes: [],
    poolNames: ['fibres', 'threads'],
    pool: () => pool,
    ...more,
  })

describe('WORK-40: a pool by its name', () => {
  it('of an adapter that was given, else of one that is found', () => {
    expect(resolvePool('fibres', { adapters: [adapter()] })).toBe(pool)
    const asked: unknown[] = []
    const discover = (wanted: unknown): Adapter => {
      asked.push(wanted)
      return adapter()
    }
    expect(resolvePool('threads', { discover })).toBe(pool)
    expect(asked).toEqual([{ kind: 'pool', schemes: ['threads'] }])
  })

  it('that nobody offers: what to install, or what there is', () => {
    const discover = (): undefined => undefined
    expect(() => resolvePool('prefork', { discover })).toThrow(
      /^There is no pool "prefork" here\. Run: npm install @ct\/pool-processes$/,
    )
    expect(() => resolvePool('threads')).toThrow(/npm install @ct\/pool-threads — and pass its adapter/)
    expect(() => resolvePool('asink', { discover })).toThrow(
      /Pools: async, eventlet, gevent, solo, threads, processes, prefork\. Did you mean "async"\?/,
    )
    const { pool: _pool, ...without } = adapter()
    expect(() => resolvePool('fibres', { adapters: [without as Adapter] })).toThrow(/offers none/)
  })
})
