/** Chords whose header cannot be sent, or not whole. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { PublishError } from '@ct/contracts'
import { capturedApp } from '../../test/captured-app.ts'
import type { CapturedApp } from '../../test/captured-app.ts'
import { LocalTaskContext, localRequest } from '../task/index.ts'
import type { Task } from '../task/index.ts'
import { chain, chord, group, runInTask } from './index.ts'
import type { AnySignature } from './index.ts'

let captured: CapturedApp
let add: Task<[x: number, y?: number], number>
let xsum: Task<[list: number[]], number>
/** What the broker says to the next messages; undefined: it takes them. */
let answers: (PublishError | undefined)[]

const refused = new PublishError('refused', { retryable: false, maybeDelivered: false })
const unknown = new PublishError('no confirmation', { retryable: true, maybeDelivered: true })

beforeEach(() => {
  captured = capturedApp()
  add = captured.app.task('add', (x: number, y = 0) => x + y)
  xsum = captured.app.task('xsum', (list: number[]) => list.reduce((sum, one) => sum + one, 0))
  answers = []
  const { producer } = captured.app.context
  vi.spyOn(producer, 'publishMany').mockImplementation(async (messages) =>
    messages.map(() => answers.shift()),
  )
  vi.spyOn(producer, 'publish').mockImplementation(async () => {
    const answer = answers.shift()
    if (answer !== undefined) throw answer
  })
})
afterEach(async () => {
  await captured[Symbol.asyncDispose]()
})

const stateOf = async (id: string | undefined): Promise<string> =>
  (await captured.app.context.results.getMeta(id!)).status

async function store(): Promise<{ readonly fail: string[]; readonly begun: string[] }> {
  const { chord: counted } = await captured.app.context.results.connection()
  const fail = vi.spyOn(counted!, 'fail')
  const begin = vi.spyOn(captured.app.context.results, 'beginChord')
  return {
    get fail() {
      return fail.mock.calls.map(([groupId]) => groupId)
    },
    get begun() {
      return begin.mock.calls.map(([{ groupId }]) => groupId)
    },
  }
}

describe('a chord whose header', () => {
  it('CANVAS-70: was not sent at all is over, and nothing has happened', async () => {
    const seen = await store()
    answers = [refused, refused]
    const body = xsum.s()
    body.freeze('body')
    await expect(chord([add.s(1), add.s(2)], body).applyAsync()).rejects.toMatchObject({ code: 'CT_PUBLISH' })
    expect(seen.fail).toEqual(seen.begun)
    expect(await stateOf('body')).toBe('PENDING')
  })

  it('CANVAS-70: was sent in part is over; its body and what follows fail with the reason', async () => {
    const seen = await store()
    answers = [undefined, refused]
    const whole = chain(chord([add.s(1), add.s(2)], xsum.s()), add.s(1), group([add.s(2), add.s(3)]))
    const handle = whole.freeze('end')
    const after = handle.parent!
    await expect(whole.applyAsync()).rejects.toMatchObject({ code: 'CT_PUBLISH' })
    expect(seen.fail).toEqual(seen.begun)
    expect(await Promise.all([after.parent!.id, after.id, handle.id].map(stateOf))).toEqual(
      Array.from({ length: 3 }, () => 'FAILURE'),
    )
    expect(await Promise.all(handle.results.map(({ id }) => stateOf(id)))).toEqual(['FAILURE', 'FAILURE'])
    await expect(after.get({ timeoutMs: 5000 })).rejects.toMatchObject({
      code: 'CT_CHORD',
      message: expect.stringContaining('The header could not be sent: OperationalError') as string,
    })
  })

  it('CANVAS-70: a member that is a chain or a chord and was not sent ends it too', async () => {
    const seen = await store()
    answers = [undefined, refused]
    const members: AnySignature[] = [add.s(1), chain(add.s(1), add.s(2))]
    const body = xsum.s()
    body.freeze('body')
    await expect(chord(members, body as never).applyAsync()).rejects.toMatchObject({ code: 'CT_PUBLISH' })
    expect([seen.fail, await stateOf('body')]).toEqual([seen.begun, 'FAILURE'])
  })

  it('CANVAS-70: may be whole all the same is left to its members', async () => {
    const seen = await store()
    answers = [undefined, unknown]
    await expect(chord([add.s(1), add.s(2)], xsum.s()).applyAsync()).rejects.toMatchObject({
      details: { maybeDelivered: true },
    })
    expect([seen.begun.length, seen.fail]).toEqual([1, []])
  })

  it('CANVAS-70: is sent again by a worker fails nobody meanwhile', async () => {
    const seen = await store()
    answers = [undefined, refused]
    const body = xsum.s()
    body.freeze('body')
    const sending = (chord([add.s(1), add.s(2)], body) as AnySignature).send({
      args: [],
      kwargs: {},
      options: {},
    })
    await expect(sending).rejects.toMatchObject({ code: 'CT_PUBLISH' })
    expect([seen.fail, await stateOf('body')]).toEqual([seen.begun, 'PENDING'])
  })

  it('CANVAS-70: cannot be sent while the store is away rejects with why it could not be sent', async () => {
    const { chord: counted } = await captured.app.context.results.connection()
    vi.spyOn(counted!, 'fail').mockRejectedValue(new Error('no store'))
    answers = [undefined, refused]
    await expect(chord([add.s(1), add.s(2)], xsum.s()).applyAsync()).rejects.toMatchObject({
      code: 'CT_PUBLISH',
    })
  })
})

describe('a member that is added to a chord', () => {
  const running = async (member: AnySignature): Promise<number[]> => {
    const { chord: counted } = await captured.app.context.results.connection()
    const counts = vi.spyOn(counted!, 'addMember')
    const request = localRequest('add', {
      id: 'p',
      calledDirectly: false,
      group: 'g',
      chord: xsum.s().toJSON(),
    })
    const context = new LocalTaskContext(captured.app.tasks.get('add')!, request, captured.app)
    const adding = runInTask({ context, children: [] }, () => context.addToChord(member))
    await expect(adding).rejects.toBeInstanceOf(PublishError)
    return counts.mock.calls.map(([, count]) => count ?? 1)
  }

  it('TASK-116, CANVAS-79: and cannot be sent is not waited for', async () => {
    answers = [refused]
    expect(await running(add.s(1))).toEqual([1, -1])
  })

  it('TASK-116, CANVAS-79: and may have been sent counts', async () => {
    answers = [unknown]
    expect(await running(add.s(1))).toEqual([1])
  })

  it('TASK-116, CANVAS-79: a group of which some were sent counts as those', async () => {
    answers = [undefined, refused, unknown]
    expect(await running(group([add.s(1), add.s(2), add.s(3)]))).toEqual([3, -1])
  })
})
