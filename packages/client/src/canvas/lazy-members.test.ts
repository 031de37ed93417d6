/** Groups whose members a generator gives (celery/utils/functional.py 5.7, `regen`). */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { PublishError } from '@ct/contracts'
import { capturedApp } from '../../test/captured-app.ts'
import type { CapturedApp } from '../../test/captured-app.ts'
import type { Task } from '../task/index.ts'
import { chord, group } from './index.ts'
import type { AnySignature, Signature } from './index.ts'

let captured: CapturedApp
let add: Task<[x: number, y: number], number>
let xsum: Task<[list: number[]], number>

beforeEach(() => {
  captured = capturedApp()
  add = captured.app.task('add', (x: number, y: number) => x + y)
  xsum = captured.app.task('xsum', (list: number[]) => list.reduce((sum, one) => sum + one, 0))
})
afterEach(async () => {
  await captured[Symbol.asyncDispose]()
})

function* sums(
  count: number,
  onDraw: (index: number) => void = () => {},
): Generator<Signature<[], number>, void, undefined> {
  for (let index = 0; index < count; index++) {
    onDraw(index)
    yield add.s(index, index)
  }
}

const argsOf = (messages: Awaited<ReturnType<CapturedApp['sent']>>): unknown[] =>
  messages.map(({ args }) => args[0])

describe('a group of a generator', () => {
  it('CANVAS-42: its members are sent as they are drawn, each once, in one group, in their order', async () => {
    const published = vi.spyOn(captured.app.context.producer, 'publishMany')
    const before = (): number => published.mock.calls.reduce((sum, [messages]) => sum + messages.length, 0)
    const sentWhenDrawn: number[] = []
    const many = group(sums(1201, (index) => void (sentWhenDrawn[index] = before())))
    // The first one says which app they belong to.
    expect(sentWhenDrawn).toEqual([0])
    const handle = await many.applyAsync()
    expect([sentWhenDrawn[499], sentWhenDrawn[500], sentWhenDrawn[1200]]).toEqual([0, 500, 1000])
    const messages = await captured.sent()
    expect(argsOf(messages)).toEqual(Array.from({ length: 1201 }, (_, index) => index))
    expect(messages.map(({ headers }) => [headers['group'], headers['group_index'], headers['id']])).toEqual(
      handle.results.map(({ id }, index) => [handle.id, index, id]),
    )
    expect(new Set(handle.results.map(({ id }) => id)).size).toBe(1201)
  })

  it('CANVAS-42: they are kept: the group can be sent again, looked at, and made a part of another canvas', async () => {
    const few = group(sums(3))
    const [first, second] = [await few.applyAsync(), await few.applyAsync()]
    expect(first.id).not.toBe(second.id)
    expect(argsOf(await captured.sent())).toEqual([0, 1, 2, 0, 1, 2])
    expect(few.tasks.map(({ args }) => args)).toEqual([
      [0, 0],
      [1, 1],
      [2, 2],
    ])
    const list = group([add.s(0, 0), add.s(1, 1), add.s(2, 2)])
    expect(few.pipe(xsum.s()).toJSON()).toEqual(list.pipe(xsum.s()).toJSON())
    expect(group(sums(3)).pipe(xsum.s()).toJSON()).toEqual(list.pipe(xsum.s()).toJSON())
    expect(group([group(sums(3))]).extent()).toEqual(group([list]).extent())
  })

  it('CANVAS-42: options, partial arguments and nested groups reach what is drawn late too', async () => {
    const one = captured.app.task('one', (x: number, y: number) => x - y)
    function* members(): Generator<AnySignature, void, undefined> {
      for (let index = 0; index < 501; index++) yield group([one.s(index), one.s(index)])
    }
    const nested = group(members()).set({ priority: 4 })
    await nested.applyAsync([7])
    const messages = await captured.sent()
    expect(messages.map(({ headers }) => headers['group_index'])).toEqual(
      Array.from({ length: 1002 }, (_, at) => at),
    )
    expect(messages.every(({ args, properties }) => args[0] === 7 && properties.priority === 4)).toBe(true)
    expect(messages.at(-1)!.args).toEqual([7, 500])
  })

  it('CANVAS-42: what it throws is thrown by the call that sends, now and later; what came before is sent', async () => {
    const broken = group(
      (function* () {
        yield* sums(700)
        throw new RangeError('no more rows')
      })(),
    )
    await expect(broken.applyAsync()).rejects.toThrow('no more rows')
    expect((await captured.sent()).length).toBe(500)
    await expect(broken.applyAsync()).rejects.toThrow('no more rows')
    expect(() => broken.tasks).toThrow('no more rows')
  })

  it('CANVAS-42: what is no signature is named by its place', async () => {
    const wrong = group(
      (function* () {
        yield add.s(1, 1)
        yield add as unknown as AnySignature
      })(),
    )
    await expect(wrong.applyAsync()).rejects.toMatchObject({
      code: 'CT_CONFIGURATION',
      message: expect.stringContaining('group: member 2 is the task add, not a call of it') as string,
    })
    expect(await captured.sent()).toEqual([])
  })

  it('CANVAS-42: one that never ends is refused when it is too much', async () => {
    const large = group(Array.from({ length: 10_000 }, () => add.s(1, 1)))
    const endless = group(
      (function* () {
        for (;;) yield large
      })(),
    )
    const refused = {
      code: 'CT_CONFIGURATION',
      message: expect.stringMatching(/at most 1000000 go/) as string,
    }
    await expect(endless.applyAsync()).rejects.toMatchObject(refused)
    expect(() => endless.tasks).toThrow(expect.objectContaining(refused))
    expect(await captured.sent()).toEqual([])
  })

  it('CANVAS-42: members that could not be sent are named by their place in the whole', async () => {
    const refused = new PublishError('refused', { retryable: false, maybeDelivered: false })
    vi.spyOn(captured.app.context.producer, 'publishMany').mockImplementation(async (messages) =>
      messages.map((_, index) => (messages.length < 500 && index === 2 ? refused : undefined)),
    )
    await expect(group(sums(510)).applyAsync()).rejects.toMatchObject({
      code: 'CT_PUBLISH',
      details: { failures: [{ index: 502 }] },
    })
  })

  it('CANVAS-42, CANVAS-65: as the header of a chord they are drawn before the first is sent: their number must be known', async () => {
    const begun = vi.spyOn(captured.app.context.results, 'beginChord')
    const published = vi.spyOn(captured.app.context.producer, 'publishMany')
    await chord(
      sums(600, () => expect(published).not.toHaveBeenCalled()),
      xsum.s(),
    ).applyAsync()
    expect(begun.mock.calls).toMatchObject([[{ size: 600 }]])
    expect((await captured.sent()).length).toBe(600)
  })

  it('CANVAS-42, CANVAS-84: stamping leaves all of them to be sent', async () => {
    await group(sums(3)).stamp({ run: 'r1' }).applyAsync()
    const messages = await captured.sent()
    expect([argsOf(messages), messages.map(({ headers }) => headers['stamps'])]).toEqual([
      [0, 1, 2],
      Array.from({ length: 3 }, () => ({ run: 'r1' })),
    ])
  })
})
