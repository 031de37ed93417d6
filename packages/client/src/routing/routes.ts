import { ConfigurationError } from '@ct/contracts'
import { globToRegExp } from '../mailbox/index.ts'
import { Queue } from './queue.ts'
import type {
  Route,
  RouteFunction,
  RouteMap,
  RouteObject,
  RouteOptions,
  TaskRouter,
  TaskRoutes,
} from './route-options.ts'
import { routeOptionsFrom } from './route-options.ts'

/** Routers made ready to be asked (celery/app/routes.py 5.7). */
export interface CompiledRoutes {
  readonly routers: readonly RouteFunction[]
  /** The answer depends on the name alone, so that it can be remembered. */
  readonly byNameOnly: boolean
}

export function compileRoutes(routes: TaskRoutes | null | undefined): CompiledRoutes {
  if (routes == null) return { routers: [], byNameOnly: true }
  // A list of pairs is one map that keeps its order; Celery wants it wrapped in another list, which works as well.
  const list =
    Array.isArray(routes) && !routes.every(isPair)
      ? (routes as readonly TaskRouter[])
      : [routes as TaskRouter]
  let byNameOnly = true
  const routers = list.map((router, index): RouteFunction => {
    const where = list.length === 1 ? 'taskRoutes' : `taskRoutes[${index}]`
    if (typeof router === 'function') {
      byNameOnly = false
      return (...call) => checked(router(...call), `The answer of the route function ${router.name || where}`)
    }
    if (isRouteObject(router)) {
      byNameOnly = false
      return (name, args, kwargs) =>
        checked(router.routeForTask(name, args, kwargs), `The answer of routeForTask in ${where}`)
    }
    return compileMap(router, where)
  })
  return { routers, byNameOnly }
}

function compileMap(map: RouteMap, where: string): RouteFunction {
  const exact = new Map<string, Route>()
  const patterns: { readonly pattern: RegExp; readonly route: Route }[] = []
  for (const [key, route] of entriesOf(map, where)) {
    const checkedRoute = checked(route, `The route of ${String(key)} in ${where}`)
    if (typeof key !== 'string') {
      // Python's re.match is anchored at the start only; sticky from 0 is the same.
      patterns.push({
        pattern: new RegExp(key.source, key.flags.replaceAll(/[gy]/g, '') + 'y'),
        route: checkedRoute,
      })
    } else if (key.includes('*')) {
      patterns.push({ pattern: globToRegExp(key), route: checkedRoute })
    } else {
      exact.set(key, checkedRoute)
    }
  }
  return (name) => {
    const route = exact.get(name)
    if (route !== undefined) return route
    for (const entry of patterns) {
      entry.pattern.lastIndex = 0
      if (entry.pattern.test(name)) return entry.route
    }
    return null
  }
}

function entriesOf(map: RouteMap, where: string): Iterable<readonly [string | RegExp, unknown]> {
  if (typeof map === 'string') {
    throw new ConfigurationError(
      `${where} is the text "${String(map)}". Give the route function itself, or a map from task names to queues.`,
    )
  }
  if (typeof map !== 'object' || map === null) {
    throw new ConfigurationError(
      `${where} is ${typeof map}. Give a map, a function, an object with routeForTask(), or a list of them.`,
    )
  }
  if (map instanceof Map || Array.isArray(map)) {
    const entries = [...(map as Iterable<readonly [string | RegExp, unknown]>)]
    if (!entries.every(isPair))
      throw new ConfigurationError(`${where} has entries that are no [name, route] pairs.`)
    return entries
  }
  return Object.entries(map)
}

function isPair(value: unknown): value is readonly [string | RegExp, unknown] {
  return (
    Array.isArray(value) && value.length === 2 && (typeof value[0] === 'string' || value[0] instanceof RegExp)
  )
}

function isRouteObject(value: TaskRouter): value is RouteObject {
  return (
    typeof value === 'object' &&
    value !== null &&
    typeof (value as Partial<RouteObject>).routeForTask === 'function'
  )
}

function checked(route: unknown, where: string): Route {
  if (route == null) return null
  if (typeof route === 'string' || Queue.isQueue(route)) return route
  if (typeof route === 'object' && !Array.isArray(route))
    return routeOptionsFrom(route as RouteOptions, where)
  throw new ConfigurationError(
    `${where} is ${Array.isArray(route) ? 'a list' : typeof route}. Give a queue name, options or null.`,
  )
}
