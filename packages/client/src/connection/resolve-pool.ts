import { AdapterError, assertContract, type Adapter, type Pool, didYouMean } from '@ct/contracts'
import type { ResolveOptions } from './resolve.ts'

/** Packages that bring a pool, so that a name can be answered with what to install. */
const packagesByPool: Readonly<Record<string, string>> = {
  threads: '@ct/pool-threads',
  processes: '@ct/pool-processes',
  prefork: '@ct/pool-processes',
}

/** Those of the worker itself. */
const ownPools = ['async', 'eventlet', 'gevent', 'solo']

/**
 * The pool of that name among the adapters given, else of one that is found. Throws `CT_ADAPTER` naming the package to install when there is
 * none. Starts nothing.
 */
export function resolvePool(name: string, options: Pick<ResolveOptions, 'adapters' | 'discover'> = {}): Pool {
  const adapters = options.adapters ?? []
  for (const adapter of adapters) assertContract(adapter, 'adapter')
  const adapter =
    adapters.find((one) => poolNames(one).includes(name)) ??
    options.discover?.({ kind: 'pool', schemes: [name] })
  if (adapter !== undefined) {
    assertContract(adapter, 'adapter')
    if (adapter.pool === undefined) {
      throw new AdapterError(
        `${adapter.packageName} lists the pool "${name}" but offers none. Please report it to the package's authors.`,
      )
    }
    const pool = adapter.pool(name)
    assertContract(pool, 'pool')
    return pool
  }
  const known = new Set([...ownPools, ...Object.keys(packagesByPool), ...adapters.flatMap(poolNames)])
  const packageName = Object.hasOwn(packagesByPool, name) ? packagesByPool[name] : undefined
  const advice =
    packageName === undefined
      ? `Pools: ${[...known].join(', ')}.${didYouMean(name, known)}`
      : `Run: npm install ${packageName}` +
        (options.discover === undefined ? ' — and pass its adapter: createApp({ adapters: […] }).' : '')
  throw new AdapterError(`There is no pool "${name}" here. ${advice}`, {
    details: { pool: name, packageName, known: [...known] },
  })
}

function poolNames(adapter: Adapter): readonly string[] {
  return adapter.poolNames ?? []
}
