import { builtinTasks, group, TaskSignature } from '../canvas/index.ts'
import type { GroupOf, Signature } from '../canvas/index.ts'
import type { App } from '../app/app.ts'

interface Mapped {
  readonly app: App
  readonly name: string
  signature(): unknown
}

function mapping<R>(
  task: Mapped,
  name: string,
  items: readonly unknown[],
): Signature<readonly unknown[], R[]> {
  return new TaskSignature<readonly unknown[], R[]>({
    app: task.app,
    task: name,
    kwargs: { task: task.signature(), it: items },
    immutable: true,
  })
}

export function xmap<R>(task: Mapped, items: readonly unknown[]): Signature<readonly unknown[], R[]> {
  return mapping(task, builtinTasks.map, [...items])
}

export function xstarmap<R>(
  task: Mapped,
  items: readonly (readonly unknown[])[],
): Signature<readonly unknown[], R[]> {
  return mapping(task, builtinTasks.starmap, [...items])
}

export function chunks<R>(
  task: Mapped,
  items: Iterable<readonly unknown[]>,
  size: number,
): GroupOf<readonly Signature<readonly unknown[], R[]>[]> {
  const all = [...items]
  const slices: Signature<readonly unknown[], R[]>[] = []
  for (let at = 0; at < all.length; at += Math.max(1, size)) {
    slices.push(xstarmap<R>(task, all.slice(at, at + Math.max(1, size))))
  }
  return group(slices)
}
