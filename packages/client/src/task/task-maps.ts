/** One task for many calls of another (celery/canvas.py 5.7, `xmap`, `xstarmap`, `chunks`). They take nothing from the step before. */
import { ConfigurationError, pyRepr } from '@ct/contracts'
import { builtinTasks, group, TaskSignature } from '../canvas/index.ts'
import type { GroupOf, MapItem, Signature } from '../canvas/index.ts'
import type { App } from '../app/app.ts'
import type { AsyncResult } from '../result/index.ts'

/** What can be mapped over: a task of this program, or a remote one. */
export interface Mappable<A extends readonly unknown[], R> {
  readonly app: App
  delay(...args: A): Promise<AsyncResult<R>>
  signature(): Signature<readonly unknown[], R>
}

/** What a group of slices gives: a list of lists. */
export type ChunksOf<R> = GroupOf<readonly Signature<readonly unknown[], R[]>[]>

function listOf<T>(what: string, items: Iterable<T>): readonly T[] {
  if (typeof items !== 'object' || items === null || !(Symbol.iterator in items))
    throw new ConfigurationError(`${what} takes a list of items, not ${pyRepr(items).slice(0, 60)}.`)
  const list: T[] = []
  for (const item of items) {
    // What is walked through may never end.
    if (list.length >= mostItems)
      throw new ConfigurationError(
        `${what} got more than ${mostItems} items, the most that one call takes. Send them in pieces.`,
        { details: { most: mostItems } },
      )
    list.push(item)
  }
  return list
}

/** Most items of one call: as many as there may be signatures in a canvas. */
const mostItems = 1_000_000

function mapping<A extends readonly unknown[], R>(
  task: Mappable<A, R>,
  name: string,
  items: readonly unknown[],
): Signature<readonly unknown[], R[]> {
  return new TaskSignature<readonly unknown[], R[]>({
    app: task.app,
    task: name,
    kwargs: { task: task.signature().toJSON(), it: items },
    immutable: true,
  })
}

/** One task that calls `task` for every item, in order; the list of results. `task.map(items)`. */
export function xmap<A extends readonly unknown[], R>(
  task: Mappable<A, R>,
  items: Iterable<MapItem<A>>,
): Signature<readonly unknown[], R[]> {
  return mapping(task, builtinTasks.map, listOf('map', items))
}

/** As {@link xmap}, each item being a list of arguments. `task.starmap(items)`. */
export function xstarmap<A extends readonly unknown[], R>(
  task: Mappable<A, R>,
  items: Iterable<A>,
): Signature<readonly unknown[], R[]> {
  const all: readonly unknown[] = listOf('starmap', items)
  const wrong = all.findIndex((item) => !Array.isArray(item))
  if (wrong >= 0)
    throw new ConfigurationError(
      `starmap: item ${wrong + 1} must be a list of arguments, not ${pyRepr(all[wrong]).slice(0, 60)}. For one argument each there is map().`,
    )
  return mapping(task, builtinTasks.starmap, all)
}

/**
 * A group of {@link xstarmap}s of `size` items each; the list of their lists. `task.chunks(items, size)`. Python's own form, one task
 * `celery.chunks` that sends the group when it runs, is read, not written. Throws `CT_CONFIGURATION` for a size that is no whole number above 0.
 */
export function chunks<A extends readonly unknown[], R>(
  task: Mappable<A, R>,
  items: Iterable<A>,
  size: number,
): ChunksOf<R> {
  if (!Number.isSafeInteger(size) || size < 1)
    throw new ConfigurationError(
      `The size of chunks must be a whole number of at least 1, not ${String(size)}.`,
    )
  const all = listOf('chunks', items)
  const slices: Signature<readonly unknown[], R[]>[] = []
  for (let at = 0; at < all.length; at += size) slices.push(xstarmap(task, all.slice(at, at + size)))
  return group(slices)
}
