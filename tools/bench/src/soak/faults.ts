import type { SoakReport } from './soak.ts'

/**
 * What a task may leave on the heap, in bytes, over tens of thousands of them: less than an entry in a table with its id, a listener or a
 * closure costs. Over a few thousand, tables that are still filling up to their limit and code that is still being compiled come to more.
 */
export const heapBound = { long: 64, short: 512 } as const

/** What is wrong with a worker that was soaked, in words; nothing: its heap is flat and its handles are closed. */
export function faults(report: SoakReport, bytesPerTask: number = heapBound.long): string[] {
  const { samples, heapBytesPerTask, handlesBefore, handlesAfter } = report
  const found: string[] = []
  if (!(heapBytesPerTask <= bytesPerTask))
    found.push(`the heap grows by ${heapBytesPerTask.toFixed(0)} bytes a task, more than ${bytesPerTask}`)
  if (handlesAfter > handlesBefore)
    found.push(`${handlesAfter} handles are open after the end, ${handlesBefore} were before the start`)
  const handles = samples.map((sample) => sample.handles)
  const [first = 0] = handles
  // Connections and timers come and go by one or two; what stays more was opened and not closed.
  if (Math.min(...handles.slice(-3)) > first + 4)
    found.push(`handles went from ${first} to ${Math.min(...handles.slice(-3))}`)
  return found
}
