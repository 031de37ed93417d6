import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { capturedApp } from '../../test/captured-app.ts'
import type { CapturedApp } from '../../test/captured-app.ts'
import type { Task } from '../task/index.ts'
import { Chain, chord } from './index.ts'
import type { AnySignature, Signature } from './index.ts'

let captured: CapturedApp
let step: Task<[value: number], number>
beforeEach(() => {
  captured = capturedApp()
  step = captured.app.task('step', (value: number) => value)
})
afterEach(async () => {
  await captured[Symbol.asyncDispose]()
})

const refused = (message: RegExp): unknown =>
  expect.objectContaining({ code: 'CT_CONFIGURATION', message: expect.stringMatching(message) })

/** Each is linked to the one before, which is linked already. */
function linkedFromTheFront(count: number): Signature<[value: number], number> {
  const first = step.s()
  let last: Signature<[value: number], number> = first
  for (let index = 1; index < count; index++) last = last.link(step.s())
  return first
}

describe('canvases that are too large', () => {
  it('CANVAS-92: callbacks of callbacks are refused at 101 levels, when they are linked', () => {
    let whole = step.s()
    const wrap = (): void => {
      const outer = step.s()
      outer.link(whole)
      whole = outer
    }
    for (let levels = 1; levels < 100; levels++) wrap()
    expect(wrap).toThrow(
      refused(/^step\.link would be nested 101 deep; at most 100.*step \(100 deep, 100 signatures\)/),
    )
  })

  it('CANVAS-92: or when they are sent, if they were linked from the front', async () => {
    await linkedFromTheFront(100).applyAsync([1])
    await expect(linkedFromTheFront(20_000).applyAsync([1])).rejects.toEqual(
      refused(/nested more than 100 deep, or leads back to itself: step → step → step → …/),
    )
    const own = step.s(1)
    own.options['link'] = [own]
    await expect(own.applyAsync()).rejects.toEqual(refused(/leads back to itself/))
    expect(await captured.sent()).toHaveLength(1)
  })

  it('CANVAS-92: what counts is what is sent, not how it is written: one callback in two places', () => {
    let whole: AnySignature = step.s()
    const double = (): void => {
      const outer = step.s()
      outer.link(whole as never)
      outer.linkError(whole)
      whole = outer
    }
    expect(() => {
      for (let levels = 1; levels < 60; levels++) double()
    }).toThrow(refused(/holds 1048575 signatures; at most 1000000/))
  })

  it('CANVAS-92: data that leads back to itself, or is too deep, is refused when it is read', () => {
    const group = (tasks: readonly unknown[]): object => ({
      task: 'celery.group',
      args: [],
      kwargs: { tasks },
      options: {},
      subtask_type: 'group',
      immutable: false,
    })
    const tasks: unknown[] = []
    const cyclic = group(tasks)
    tasks.push(cyclic)
    const message = expect.objectContaining({
      code: 'CT_INVALID_MESSAGE',
      message: expect.stringContaining('leads back to itself, or is nested more than 500 deep; at most 100'),
    }) as unknown
    expect(() => captured.app.signature(cyclic)).toThrow(message)
    let deep = group([])
    for (let levels = 0; levels < 5000; levels++) deep = group([deep])
    expect(() => captured.app.signature(deep)).toThrow(message)
    // The next one is read as ever.
    expect(captured.app.signature(group([group([])])).subtaskType).toBe('group')
  })

  it('CANVAS-92: a chain of more steps than a message may carry, which workers would park', () => {
    const { app } = captured
    const steps = (count: number): readonly AnySignature[] =>
      Array.from<AnySignature>({ length: count }).fill(step.s())
    expect(new Chain({ app, tasks: steps(100_001) }).tasks).toHaveLength(100_001)
    expect(() => new Chain({ app, tasks: steps(100_002) })).toThrow(
      refused(/has 100002 steps; at most 100001.*Step 100002 is step/),
    )
  })

  it('CANVAS-42, CANVAS-92: a header, and items, that never end', () => {
    function* members() {
      for (;;) yield step.s(1)
    }
    function* items(): Generator<[number], never> {
      for (;;) yield [1]
    }
    const sum = captured.app.task('sum', (values: readonly number[]) => values.length)
    expect(() => chord(members(), sum.s())).toThrow(refused(/This chord holds 1000003 signatures/))
    for (const kind of ['map', 'starmap'] as const)
      expect(() => step[kind](items() as never)).toThrow(
        refused(new RegExp(`^${kind} got more than 1000000 items`)),
      )
    expect(() => step.chunks(items(), 10)).toThrow(refused(/^chunks got more than 1000000 items/))
  })
})
