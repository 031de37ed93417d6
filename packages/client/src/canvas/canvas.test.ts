/** Rows of the canvas semantics' test cases: what is sent, and what comes of it. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { memoryBackend, memoryBroker } from '@ct/broker-memory'
import { decodeJson, defineResultBackend, encodeJson, isoformat, PyDateTime } from '@ct/contracts'
import type { OutgoingMessage, ResultHandle, SignatureDict } from '@ct/contracts'
import { capturedApp, nowMs } from '../../test/captured-app.ts'
import type { CapturedApp, SentMessage } from '../../test/captured-app.ts'
import { runCanvas } from '../../test/canvas-runner.ts'
import type { CanvasRun } from '../../test/canvas-runner.ts'
import {
  Chain,
  chain,
  chord,
  group,
  maybeSignature,
  piped,
  resultHandle,
  runInTask,
  Signature,
  signatureFromDict,
} from './index.ts'
import type { AnySignature, FrozenResult } from './index.ts'
import { Queue } from '../routing/index.ts'
import type { AsyncResult, GroupResult } from '../result/index.ts'
import { LocalTaskContext, localRequest } from '../task/index.ts'
import type { Task } from '../task/index.ts'

let captured: CapturedApp
let add: Task<[x: number, y?: number, z?: number], number>
let xsum: Task<[list: unknown[]], number>
let ident: Task<[value: unknown], unknown>
let args: Task<unknown[], unknown>
let noop: Task<[], null>

type Deep = number | readonly Deep[]
const deepSum = (value: Deep): number =>
  typeof value === 'number' ? value : value.reduce<number>((sum, one) => sum + deepSum(one), 0)

beforeEach(() => {
  captured = capturedApp()
  const { app } = captured
  add = app.task('add', (x: number, y = 0, z = 0) => x + y + z)
  xsum = app.task('xsum', (list: unknown[]) => deepSum(list as Deep))
  ident = app.task('ident', (value: unknown) => value)
  args = app.task('args', { params: ['...rest', '**more'] }, (...rest: unknown[]) => rest)
  noop = app.task('noop', () => null)
})
afterEach(async () => {
  await captured[Symbol.asyncDispose]()
})

/** `any` canvas: these tests build many that types would refuse to compare. */
const untyped = (...steps: readonly AnySignature[]): Signature =>
  (chain as (...steps: readonly AnySignature[]) => Signature)(...steps)

async function run(
  canvas: { applyAsync(...call: readonly unknown[]): Promise<unknown> },
  ...call: readonly unknown[]
): Promise<CanvasRun & { handle: Handle; value: unknown }> {
  const handle = (await canvas.applyAsync(...call)) as Handle
  const done = await runCanvas(captured)
  return { ...done, handle, value: valueOf(handle, done) }
}

interface Handle {
  readonly id: string
  readonly parent: Handle | null
  readonly results?: readonly Handle[]
}

function valueOf(handle: Handle | null, done: CanvasRun): unknown {
  if (handle === null) return null
  return handle.results === undefined
    ? done.results.get(handle.id)
    : handle.results.map((member) => valueOf(member, done))
}

/** `add(1,2)` and the like. */
function calls(messages: readonly SentMessage[]): string[] {
  return messages.map(
    ({ headers, args: given }) =>
      `${String(headers['task'])}(${given.map((arg) => JSON.stringify(arg)).join(',')})`,
  )
}

const ids = (messages: readonly SentMessage[], key: string): unknown[] =>
  messages.map(({ headers }) => headers[key])

describe('signatures', () => {
  it('row 2, CANVAS-5: partial arguments come first, keyword arguments merge', async () => {
    await args
      .s(1, 2)
      .clone([], { kwargs: { a: 1 } })
      .applyAsync([9, 8], { kwargs: { b: 2 } })
    const [message] = await captured.sent()
    expect([message!.args, message!.kwargs]).toEqual([[9, 8, 1, 2], { a: 1, b: 2 }])
  })

  it('row 3, CANVAS-6: an immutable one ignores them, options still merge', async () => {
    await args.si(1, 2).applyAsync([9], { kwargs: { b: 2 }, priority: 3 })
    const [message] = await captured.sent()
    expect([message!.args, message!.kwargs, message!.properties.priority]).toEqual([[1, 2], {}, 3])
  })

  it('CANVAS-1: travels in Python’s form, and comes back from it', () => {
    const signature = add.s(4).set({ queue: 'q', taskId: 'id', countdown: 3 }).onError(noop.s())
    const dict = {
      task: 'add',
      args: [4],
      kwargs: {},
      options: {
        queue: 'q',
        task_id: 'id',
        countdown: 3,
        link_error: [
          { task: 'noop', args: [], kwargs: {}, options: {}, subtask_type: null, immutable: false },
        ],
      },
      subtask_type: null,
      immutable: false,
    }
    expect(JSON.parse(JSON.stringify(signature))).toEqual(dict)
    expect(JSON.parse(JSON.stringify(signatureFromDict(captured.app, dict)))).toEqual(dict)
    const strange = { ...dict, options: { unknown_option: 1 } }
    expect(JSON.parse(JSON.stringify(captured.app.signature(strange)))).toEqual(strange)
  })

  it('CANVAS-1: moments travel as Python’s datetime, a retry policy by Python’s names, a queue by its own', () => {
    const signature = add.s(1).set({
      eta: '2030-01-01T00:00:00+02:00',
      expires: new Date(0),
      retryPolicy: { maxRetries: 1, intervalMax: 2 },
      queue: new Queue('images'),
      publishTimeoutMs: 5,
    })
    expect(decodeJson(encodeJson(signature))).toMatchObject({
      options: {
        eta: new PyDateTime('2030-01-01T00:00:00+02:00'),
        expires: new PyDateTime('1970-01-01T00:00:00+00:00'),
        retry_policy: { max_retries: 1, interval_max: 2 },
        queue: 'images',
      },
    })
    expect(encodeJson(signature)).toContain('"__value__": "2030-01-01T00:00:00+02:00"')
    expect(encodeJson(signature)).not.toContain('publish_timeout')
  })

  it('CANVAS-3: Signature.fromDict is app.signature', () => {
    const dict = JSON.parse(JSON.stringify(chain(add.s(1), add.s(2)))) as object
    const again = Signature.fromDict(dict, { app: captured.app })
    expect(again.subtaskType).toBe('chain')
    expect(JSON.parse(JSON.stringify(again))).toEqual(dict)
  })

  it('CANVAS-3, CANVAS-4: composites come back too', () => {
    const canvas = untyped(add.s(1, 1), group([add.s(2), add.s(3)]), chain(xsum.s(), add.s(1)))
    const dict = JSON.parse(JSON.stringify(canvas)) as object
    expect(JSON.parse(JSON.stringify(captured.app.signature(dict)))).toEqual(dict)
    expect(() => captured.app.signature({ ...add.s(1).toJSON(), subtask_type: 'spiral' })).toThrow(
      /unknown kind/,
    )
    const header = { ...group([add.s(1)]).toJSON() }
    const withGroup = {
      ...chord([add.s(1)], xsum.s()).toJSON(),
      kwargs: { kwargs: {}, header, body: xsum.s().toJSON() },
    }
    expect(JSON.parse(JSON.stringify(captured.app.signature(withGroup)))).toMatchObject({
      kwargs: { header: [{ task: 'add' }] },
    })
  })

  it('CANVAS-7, CANVAS-8: clones share nothing, set works in place', () => {
    const one = add.s(1)
    const two = one.clone()
    two.link(noop.si())
    expect(one.options).toEqual({})
    expect(one.set({ priority: 3 })).toBe(one)
    expect(one.options).toEqual({ priority: 3 })
  })

  it('CANVAS-7: what is linked to a clone is not linked to the original', () => {
    const original = add.s(1).onError(noop.s())
    original.link(noop.si())
    const clone = original.clone()
    clone.link(add.s(2))
    clone.onError(add.s(2))
    for (const key of ['link', 'link_error']) {
      expect(original.options[key]).toHaveLength(1)
      expect(clone.options[key]).toHaveLength(2)
    }
  })

  it('CANVAS-9: freezing gives ids once', async () => {
    const signature = add.s(1, 1)
    const handle = signature.freeze()
    expect(signature.freeze().id).toBe(handle.id)
    expect(signature.options).toEqual({ task_id: handle.id, reply_to: captured.app.context.oid })
    expect((await signature.applyAsync()).id).toBe(handle.id)
  })

  it('CANVAS-11, CANVAS-12: links are added once; link gives the callback back, onError the signature', () => {
    const signature = add.s(1, 1)
    const callback = noop.si()
    expect(signature.link(callback)).toBe(callback)
    signature.link(noop.si())
    expect(signature.onError(noop.si())).toBe(signature)
    expect(signature.options['link']).toHaveLength(1)
    expect(signature.flattenLinks()).toEqual([signature, callback])
  })

  it('CANVAS-10, CANVAS-14: shows itself, and is sent by name', async () => {
    expect(String(app().signature('far', { args: [1], kwargs: { a: 'b' } }))).toBe("far(1, a='b')")
    expect(String(app().signature('far', { args: [new Map(), Symbol('x')] }))).toBe('far({}, <Symbol(x)>)')
    await app()
      .signature('far', { args: [1] })
      .delay(2)
    expect(calls(await captured.sent())).toEqual(['far(2,1)'])
  })
})

function app(): CapturedApp['app'] {
  return captured.app
}

describe('chains', () => {
  it('row 7, CANVAS-20, CANVAS-21: the rest travels reversed; parents and roots follow', async () => {
    const { messages, value, handle } = await run(chain(add.s(1, 2), add.s(3), add.s(4)))
    expect(value).toBe(10)
    expect(calls(messages)).toEqual(['add(1,2)', 'add(3,3)', 'add(6,4)'])
    const [t1, t2, t3] = ids(messages, 'id')
    expect(messages.map(({ embed }) => embed.chain?.map(({ options }) => options['task_id']))).toEqual([
      [t3, t2],
      [t3],
      [],
    ])
    expect(ids(messages, 'parent_id')).toEqual([null, t1, t2])
    expect(ids(messages, 'root_id')).toEqual([t1, t1, t1])
    expect([handle.id, handle.parent?.id, handle.parent?.parent?.id, handle.parent?.parent?.parent]).toEqual([
      t3,
      t2,
      t1,
      null,
    ])
  })

  it('rows 8…11: immutable steps, partial arguments of the call', async () => {
    expect((await run(chain(add.s(1, 2), add.si(3, 3), add.s(4)))).value).toBe(10)
    expect((await run(chain(add.s(1), add.s(3)), [10])).value).toBe(14)
    const { messages } = await run(untyped(args.s(1), args.s(2)), [9], { kwargs: { k: 5 } })
    expect(messages.map(({ kwargs }) => kwargs)).toEqual([{ k: 5 }, {}])
    const one = await run(chain(add.s(1, 1)))
    expect(one.value).toBe(2)
    expect(one.messages[0]!.embed.chain).toEqual([])
  })

  it('row 12: an empty chain sends nothing', async () => {
    expect(await untyped().applyAsync()).toBeNull()
  })

  it('rows 13, 14, CANVAS-24: chains in chains are flat', async () => {
    const flat = chain(chain(add.s(1, 1), add.s(2)), chain(add.s(3), add.s(4)))
    expect(flat.toJSON().kwargs['tasks']).toHaveLength(4)
    expect((await run(flat)).value).toBe(11)
    expect((await run(untyped(chain(add.s(1, 1), add.s(1)), chain(add.s(1), chain(add.s(1)))))).value).toBe(5)
  })

  it('rows 16, 18, CANVAS-33: an error callback goes to every step it covers', async () => {
    const { messages } = await run(chain(add.s(1, 1), add.s(1), add.s(1)).onError(ident.s()))
    expect(messages.map(({ embed }) => embed.errbacks?.length)).toEqual([1, 1, 1])
    const inner = await run(untyped(chain(add.s(1, 1), add.s(1)).onError(ident.s()), add.s(5)))
    expect(inner.messages.map(({ embed }) => embed.errbacks?.length ?? 0)).toEqual([1, 1, 0])
  })

  it('row 19, CANVAS-32: a link goes to the last step', async () => {
    const canvas = chain(add.s(1, 1), add.s(2))
    canvas.link(add.s(100))
    const { messages } = await run(canvas)
    expect(calls(messages)).toEqual(['add(1,1)', 'add(2,2)', 'add(4,100)'])
    const [t1, t2] = ids(messages, 'id')
    expect([
      messages[2]!.headers['parent_id'],
      messages[2]!.headers['root_id'],
      messages[2]!.headers['group'],
    ]).toEqual([t2, t1, null])
  })

  it('rows 20, 21, CANVAS-30: the id is the last step’s, other options the first’s', async () => {
    const canvas = chain(add.s(1, 1), add.s(2))
    const handle = await canvas.applyAsync({ taskId: 'MYID', priority: 3 })
    expect(handle.id).toBe('MYID')
    const { messages } = await runCanvas(captured)
    expect(ids(messages, 'id')[1]).toBe('MYID')
    expect(messages.map(({ properties }) => properties.priority)).toEqual([3, 0])
  })
})

describe('groups', () => {
  it('row 26, CANVAS-40, CANVAS-41: members have the group and their place, and are their own roots', async () => {
    const { messages, value, handle } = await run(group([add.s(1, 1), add.s(2, 2)]))
    expect(value).toEqual([2, 4])
    expect(ids(messages, 'group')).toEqual([handle.id, handle.id])
    expect(ids(messages, 'group_index')).toEqual([0, 1])
    expect(ids(messages, 'root_id')).toEqual(ids(messages, 'id'))
  })

  it('rows 27, 28: the call’s arguments reach every member', async () => {
    const { messages } = await run(group([args.s(1), args.s(2)]), [10], { kwargs: { k: 5 } })
    expect(calls(messages)).toEqual(['args(10,1)', 'args(10,2)'])
    expect(messages.map(({ kwargs }) => kwargs)).toEqual([{ k: 5 }, { k: 5 }])
  })

  it('rows 29, 30, 32: none, one, and a generator of members', async () => {
    const none = await group([]).applyAsync()
    expect([await none.ready(), await none.get()]).toEqual([true, []])
    expect(await captured.sent()).toEqual([])
    expect((await run(group([add.s(1, 1)]))).value).toEqual([2])
    const generated = group(
      (function* () {
        for (let i = 0; i < 3; i++) yield add.s(i, i)
      })(),
    )
    expect((await run(generated)).value).toEqual([0, 2, 4])
  })

  it('row 31: nested groups are one group, in order, every index once', async () => {
    const { messages, value } = await run(
      group([add.s(1, 1), group([add.s(2, 2), add.s(3, 3)]), add.s(4, 4)]),
    )
    expect(value).toEqual([2, 4, 6, 8])
    expect(ids(messages, 'group_index')).toEqual([0, 1, 2, 3])
  })

  it('row 33: a chain is a member by its last step', async () => {
    const { messages, value, handle } = await run(group([chain(add.s(1, 1), add.s(10)), add.s(2, 2)]))
    expect(value).toEqual([12, 4])
    const groups = Object.fromEntries(
      messages.map(({ headers }, index) => [
        calls(messages)[index],
        [headers['group'], headers['group_index']],
      ]),
    )
    expect(groups).toEqual({
      'add(1,1)': [null, null],
      'add(2,2)': [handle.id, 1],
      'add(2,10)': [handle.id, 0],
    })
  })

  it('rows 35, 36, CANVAS-17, CANVAS-76: the call’s and the group’s options beat the members’', async () => {
    await group([add.s(1, 1).set({ priority: 1, queue: 'own' }), add.s(2, 2)]).applyAsync({ priority: 7 })
    await group([add.s(3, 3).set({ queue: 'own' })])
      .set({ queue: 'gq' })
      .applyAsync()
    const messages = await captured.sent('own', 'celery', 'gq')
    expect(messages.map(({ queue, properties }) => [queue, properties.priority])).toEqual([
      ['own', 7],
      ['celery', 7],
      ['gq', 0],
    ])
  })

  it('rows 37, 38, CANVAS-44…46, PAIN-65: links of groups', async () => {
    const linked = group([add.s(1, 1), add.s(2, 2)])
    linked.link(args.s(100))
    const { messages } = await run(linked)
    expect(calls(messages)).toEqual(['add(1,1)', 'add(2,2)', 'args(100)'])
    expect(messages[0]!.embed.callbacks).toMatchObject([{ immutable: true }])
    const failing = group([add.s(1, 1), add.s(2, 2)]).onError(ident.s())
    expect((await run(failing)).messages.map(({ embed }) => embed.errbacks?.length)).toEqual([1, 1])
    await expect(group([add.s(1, 1)]).applyAsync({ link: noop.si() })).rejects.toThrow(/takes no link/)
  })

  it('row 40: chords as members', async () => {
    const { value, messages, handle } = await run(
      group([chord([add.s(1, 1)], xsum.s()), chord([add.s(2, 2)], xsum.s())]),
    )
    expect(value).toEqual([2, 4])
    const bodies = messages.filter(({ headers }) => headers['task'] === 'xsum')
    expect(ids(bodies, 'group')).toEqual([handle.id, handle.id])
    expect(ids(bodies, 'group_index')).toEqual([0, 1])
  })

  it('CANVAS-47: skew spreads the members', () => {
    const spread = group([add.s(1), add.s(2), add.s(3)]).skew(1, 2)
    expect(spread.tasks.map(({ options }) => options['countdown'])).toEqual([1, 2, 2])
    // The last step that is not above the end is repeated, as in Celery.
    spread.skew(1, 4.5, 2)
    expect(spread.tasks.map(({ options }) => options['countdown'])).toEqual([1, 3, 3])
  })
})

describe('groups after tasks', () => {
  it('row 41: the group travels as the last step, with its id', async () => {
    const { messages, value, handle } = await run(untyped(add.s(1, 1), group([add.s(10), add.s(20)])))
    expect(value).toEqual([12, 22])
    expect(messages[0]!.embed.chain).toMatchObject([
      { subtask_type: 'group', options: { task_id: handle.id } },
    ])
    const [t1] = ids(messages, 'id')
    expect(
      messages
        .slice(1)
        .map(({ headers }) => [
          headers['group'],
          headers['group_index'],
          headers['parent_id'],
          headers['root_id'],
        ]),
    ).toEqual([
      [handle.id, 0, t1, t1],
      [handle.id, 1, t1, t1],
    ])
    expect(handle.parent?.id).toBe(t1)
  })

  it('rows 42, 43, D57-86: a group of one is its member, an empty one nothing', async () => {
    expect((await run(untyped(add.s(1, 1), group([add.s(10)])))).value).toBe(12)
    expect((await run(untyped(add.s(1, 1), group([])))).value).toBe(2)
  })
})

describe('chords', () => {
  it('row 48, CANVAS-65…67: members carry the body, the body gets the list', async () => {
    const { messages, value, handle } = await run(chord([add.s(1, 1), add.s(2, 2)], xsum.s()))
    expect(value).toBe(6)
    expect(calls(messages)).toEqual(['add(1,1)', 'add(2,2)', 'xsum([2,4])'])
    const body = messages[2]!
    const groupId = messages[0]!.headers['group']
    expect(messages.slice(0, 2).map(({ embed }) => embed.chord?.options)).toEqual([
      { task_id: handle.id, group_id: groupId, reply_to: app().context.oid },
      { task_id: handle.id, group_id: groupId, reply_to: app().context.oid },
    ])
    expect(messages.slice(0, 2).map(({ embed }) => embed.chain)).toEqual([null, null])
    expect([body.headers['id'], body.headers['group'], body.embed.chord]).toEqual([handle.id, groupId, null])
    expect(handle.parent).toMatchObject({ id: groupId })
  })

  it('rows 49, 50, CANVAS-25: a group and what follows it are a chord', async () => {
    expect((await run(untyped(group([add.s(1, 1), add.s(2, 2)]), xsum.s()))).value).toBe(6)
    const one = untyped(group([add.s(1, 1)]), xsum.s())
    expect(one.subtaskType).toBe('chord')
    expect((await run(one)).value).toBe(2)
  })

  it('rows 51, 52: the call’s arguments reach the members, not the body', async () => {
    expect((await run(chord([add.s(1), add.s(2)], xsum.s()), [10])).value).toBe(23)
    const { messages } = await run(chord([args.s(1)], ident.s()), [9], { kwargs: { k: 5 } })
    expect(messages.map(({ kwargs }) => kwargs)).toEqual([{ k: 5 }, {}])
  })

  it('row 65, CANVAS-65: a header may be a generator', () => {
    function* header(): Generator<AnySignature> {
      for (const n of [0, 1, 2]) yield add.s(n, n)
    }
    expect(chord(header(), xsum.s()).toJSON()).toEqual(
      chord([add.s(0, 0), add.s(1, 1), add.s(2, 2)], xsum.s()).toJSON(),
    )
  })

  it('row 53, CANVAS-69: an empty header runs the body at once', async () => {
    const { messages, value } = await run(chord([], xsum.s()))
    expect([value, calls(messages)]).toEqual([0, ['xsum([])']])
    expect((await run(untyped(group([]), xsum.s()))).value).toBe(0)
  })

  it('CANVAS-34, CANVAS-69: a body that Python froze, an empty chord, counts in the chord it became a part of', async () => {
    const outer = { group_id: 'outer', group_index: 1, chord: xsum.s().toJSON() }
    const body = xsum.s().toJSON()
    // The group of the header before it, as Python notes it.
    const frozen = { ...body, options: { task_id: 'body', group_id: 'header' } }
    await app()
      .signature({
        task: 'celery.chord',
        kwargs: { kwargs: {}, header: group([]).toJSON(), body: frozen },
        options: { task_id: 'none', ...outer },
        subtask_type: 'chord',
      })
      .send({ args: [[1]], kwargs: {}, options: {} })
    const [sent] = await captured.sent()
    expect(sent!.headers).toMatchObject({ id: 'body', group: 'outer', group_index: 1 })
    expect(sent!.embed.chord).toMatchObject({ task: 'xsum' })
  })

  it('CANVAS-33, D57-80: what is linked to the failure of a body that is a chain overlooks the chords in headers', async () => {
    const errback = noop.si()
    const inner = chord([add.s(1, 1)], ident.s() as never)
    const body = untyped(untyped(), chord([inner], xsum.s()), args.s()).onError(errback)
    await (chord([add.s(2, 2)], body as never) as Signature).applyAsync()
    const [sent] = await captured.sent()
    const first = JSON.parse(encodeJson(sent!.embed.chord)) as SignatureDict
    const linked = (part: SignatureDict): string[] =>
      (part.options.link_error ?? []).map((one) => (one as SignatureDict).task)
    const { header, body: end } = first.kwargs as { header: readonly SignatureDict[]; body: SignatureDict }
    expect([linked(first), linked(end)]).toEqual([['noop'], ['noop']])
    expect([linked(header[0]!), linked(header[0]!.kwargs['body'] as SignatureDict)]).toEqual([[], []])
    expect((first.options['chain'] as readonly SignatureDict[]).map(linked)).toEqual([['noop']])
  })

  it('row 54, CANVAS-74: immutable members and body', async () => {
    const { messages } = await run(chord([add.s(1, 1)], noop.si() as never).setImmutable(true), [5])
    expect(calls(messages)).toEqual(['add(1,1)', 'noop()'])
  })

  it.each(['pipeline', 'explicit body'])('rows 55…57, D57-41: steps after a chord, as %s', async (form) => {
    const header = [add.s(1, 1), add.s(2, 2)]
    const canvas =
      form === 'pipeline'
        ? untyped(group(header), xsum.s(), add.s(100))
        : chord(header, untyped(xsum.s(), add.s(100)) as never)
    const { value, messages, handle } = await run(canvas)
    expect(value).toBe(106)
    const [, , t3, t4] = messages
    expect(calls(messages).slice(2)).toEqual(['xsum([2,4])', 'add(6,100)'])
    expect([t4!.headers['id'], t4!.headers['parent_id']]).toEqual([handle.id, t3!.headers['id']])
    expect(t3!.embed.chain).toMatchObject([{ task: 'add', options: { task_id: handle.id } }])
  })

  it('D57-41, PAIN-20: members carry the first step as their body, the others behind it', async () => {
    await untyped(group([add.s(1, 1)]), xsum.s(), add.s(100), add.s(5)).applyAsync()
    const [member] = await captured.sent()
    expect(member!.embed.chord).toMatchObject({
      task: 'xsum',
      subtask_type: null,
      options: { chain: [{ args: [5] }, { args: [100] }] },
    })
  })

  it('D57-80: with Celery’s defaults a body that is a chain is sent as one', async () => {
    await using other = capturedApp({ defaults: 'celery' })
    const step = (): AnySignature => other.app.signature('step')
    await chord([step()], untyped(step(), step()) as never).applyAsync()
    const [member] = await other.sent()
    expect(member!.embed.chord).toMatchObject({ subtask_type: 'chain', kwargs: { tasks: [{}, {}] } })
  })

  it('rows 58, 59, 60, 62, CANVAS-26: groups after groups', async () => {
    const header = (): AnySignature => group([add.s(1, 1), add.s(2, 2)])
    const both = await run(untyped(header(), group([xsum.s(), ident.s()])))
    expect(both.value).toEqual([6, [2, 4]])
    expect(both.messages.slice(2).map(({ headers }) => [headers['group'], headers['group_index']])).toEqual([
      [both.handle.id, 0],
      [both.handle.id, 1],
    ])
    const three = await run(untyped(header(), group([xsum.s(), xsum.s()]), xsum.s()))
    expect(three.value).toBe(12)
    const bodyIsChord = await run(
      chord([add.s(1, 1), add.s(2, 2)], chord([xsum.s(), xsum.s()], xsum.s()) as never),
    )
    expect(bodyIsChord.value).toBe(12)
  })

  it('rows 61, 63, 64, CANVAS-27: chords and groups after chords', async () => {
    const first = (): AnySignature => chord([add.s(1, 1), add.s(2, 2)], xsum.s())
    expect((await run(untyped(first(), chord([add.s(1), add.s(2)], xsum.s())))).value).toBe(15)
    expect((await run(untyped(first(), group([add.s(10), add.s(20)])))).value).toEqual([16, 26])
    expect((await run(untyped(first(), group([add.s(10), add.s(20)]), xsum.s()))).value).toBe(42)
  })

  it('rows 66…68, D57-83, CANVAS-75, CANVAS-76, D57-156: id for the body, queue for all, countdown for the members', async () => {
    const handle = await chord([add.s(1, 1)], xsum.s()).applyAsync({
      taskId: 'MYCID',
      queue: 'cq',
      priority: 2,
    })
    expect(handle.id).toBe('MYCID')
    const { messages } = await runCanvas(captured, 'cq')
    expect(messages.map(({ queue, properties }) => [queue, properties.priority])).toEqual([
      ['cq', 2],
      ['cq', 2],
    ])
    expect(ids(messages, 'id')[1]).toBe('MYCID')
    await chord([add.s(1, 1)], xsum.s()).applyAsync({ countdown: 10 })
    const [member] = await captured.sent()
    expect(member!.headers['eta']).not.toBeNull()
    expect(member!.embed.chord!.options).not.toHaveProperty('countdown')
  })

  it('D57-84: link and linkError of the call go to the body alone', async () => {
    await chord([add.s(1, 1)], xsum.s()).applyAsync({ link: add.s(1), linkError: ident.s() })
    const [member] = await captured.sent()
    expect([member!.embed.callbacks, member!.embed.errbacks]).toEqual([null, null])
    expect(member!.embed.chord!.options).toMatchObject({
      link: [{ task: 'add' }],
      link_error: [{ task: 'ident' }],
    })
  })

  it('CANVAS-72, CANVAS-73: link goes to the body, error callbacks to nested chords as well', () => {
    const nested = chord([add.s(1)], xsum.s())
    const outer = chord([nested, add.s(2)] as readonly AnySignature[], xsum.s())
    outer.link(noop.si())
    outer.onError(noop.si())
    const json = JSON.parse(JSON.stringify(outer)) as {
      kwargs: {
        body: { options: object }
        header: { kwargs: { body?: { options: object } }; options: object }[]
      }
    }
    expect(json.kwargs.body.options).toMatchObject({ link: [{}], link_error: [{}] })
    expect(json.kwargs.header[0]!.kwargs.body!.options).toMatchObject({ link_error: [{}] })
    expect(json.kwargs.header[1]!.options).toEqual({})
  })

  it('rows 72…77: chords inside chains', async () => {
    const fan = (): AnySignature => group([add.s(10), add.s(20)])
    const plain = await run(untyped(add.s(1, 1), fan(), xsum.s()))
    expect(plain.value).toBe(34)
    expect(plain.messages[0]!.embed.chain).toMatchObject([{ subtask_type: 'chord' }])
    // D57-40: members of a pending chord do not carry its body.
    const pending = plain.messages[0]!.embed.chain![0]!.kwargs as unknown as { header: { options: object }[] }
    for (const member of pending.header) expect(member.options).not.toHaveProperty('chord')
    expect((await run(untyped(add.s(1, 1), fan(), xsum.s(), add.s(5)))).value).toBe(39)
    expect((await run(untyped(add.s(1, 1), fan(), group([xsum.s(), xsum.s()]), xsum.s()))).value).toBe(68)
    const sum = (): AnySignature => chord([add.s(1), add.s(2)], xsum.s())
    expect((await run(untyped(add.s(1, 1), add.s(1), sum()))).value).toBe(9)
    expect((await run(untyped(add.s(1, 1), sum(), add.s(100)))).value).toBe(107)
    expect((await run(untyped(add.s(1, 1), sum(), sum()))).value).toBe(17)
  })

  it('rows 78, 79, 80: chains, chords and groups in headers, in their order', async () => {
    expect((await run(chord([chain(add.s(1, 1), add.s(10)), add.s(2, 2)], xsum.s()))).value).toBe(16)
    const inner = chord([add.s(1, 1), add.s(2, 2)], xsum.s())
    expect((await run(chord([inner, add.s(3, 3)], xsum.s()))).value).toBe(12)
    const nested = await run(
      chord([group([add.s(1, 1), add.s(2, 2)]), add.s(3, 3)] as never, ident.s() as never),
    )
    // Celery freezes the members of a group inside a header in reverse.
    expect(nested.value).toEqual([4, 2, 6])
  })

  it('row 82: a whole pipeline as a member', async () => {
    const canvas = untyped(
      add.s(1, 1),
      group([untyped(add.s(1), group([add.s(1), add.s(2)]), xsum.s()), add.s(5)]),
      xsum.s(),
    )
    expect((await run(canvas)).value).toBe(16)
  })

  it('row 83: chunks', async () => {
    app().task('celery.starmap', (task: { task: string }, it: number[][]) => {
      expect(task.task).toBe('add')
      return it.map(([x, y]) => x! + y!)
    })
    const canvas = untyped(
      add.chunks(
        [
          [1, 2],
          [3, 4],
          [5, 6],
        ],
        2,
      ),
      xsum.s(),
    )
    expect((await run(canvas)).value).toBe(21)
  })

  it('CANVAS-66: counts the completions a header makes', () => {
    expect(add.s(1).chordSize()).toBe(1)
    expect(group([add.s(1), group([add.s(1), add.s(2)])] as readonly AnySignature[]).chordSize()).toBe(3)
    expect(untyped(add.s(1), group([add.s(1), add.s(2)])).chordSize()).toBe(2)
    expect(chord([add.s(1), add.s(2)], xsum.s()).chordSize()).toBe(1)
  })

  it('CANVAS-78: needs a result backend that can do it', async () => {
    const broker = memoryBroker({ name: 'no-results' })
    await using bare = capturedApp({ broker, backend: undefined })
    const task = bare.app.task('add', (x: number) => x)
    const both = (): AnySignature => chord([task.s(1)], task.si(1) as never)
    for (const canvas of [
      both(),
      untyped(task.s(1), both()),
      untyped(task.s(1), group([task.s(), task.s()]), task.si(1)),
    ]) {
      await expect((canvas as Signature).applyAsync()).rejects.toMatchObject({ code: 'CT_UNSUPPORTED' })
    }
    expect(await bare.sent()).toEqual([])
  })

  it('CANVAS-68, D57-85, RES-72, SET-109: where nothing counts, celery.chord_unlock polls', async () => {
    const memory = memoryBackend({ name: 'unlock' })
    const backend = defineResultBackend({
      name: 'polling',
      packageName: '@ct/backend-polling',
      capabilities: { ...memory.capabilities, chord: 'unlock' },
      describe: () => memory.describe(),
      connect: (options) => memory.connect(options),
      close: () => memory.close(),
    })
    await using polling = capturedApp({
      backend,
      taskRoutes: { far: 'images' },
      resultChordRetryInterval: 4,
    })
    const task = polling.app.task('add', (x: number) => x)
    const body = polling.app.signature('far').set({ priority: 4 })
    const handle = await chord([task.s(1), task.s(2)], body).applyAsync()
    const [unlock, ...members] = await polling.sent('images', 'celery')
    expect(members).toHaveLength(2)
    const groupId = members[0]!.headers['group']
    expect(unlock).toMatchObject({
      queue: 'images',
      args: [groupId, { task: 'far', options: { task_id: handle.id } }],
      kwargs: {
        interval: null,
        max_retries: null,
        result: members.map(({ headers }) => [[headers['id'], null], null]),
      },
      headers: { task: 'celery.chord_unlock', ignore_result: true, eta: isoformat(nowMs + 4000) },
      properties: { priority: 4 },
    })
  })

  it.each(['topic', 'headers'] as const)(
    'D57-176: celery.chord_unlock goes through the %s exchange of the body',
    async (exchangeType) => {
      const memory = memoryBackend({ name: 'unlock' })
      const backend = defineResultBackend({
        name: 'polling',
        packageName: '@ct/backend-polling',
        capabilities: { ...memory.capabilities, chord: 'unlock' },
        describe: () => memory.describe(),
        connect: (options) => memory.connect(options),
        close: () => memory.close(),
      })
      await using polling = capturedApp({ backend })
      const task = polling.app.task('add', (x: number) => x)
      const sent: OutgoingMessage[] = []
      const connection = await polling.app.context.producer.connection()
      vi.spyOn(connection, 'publish').mockImplementation(async (message) => void sent.push(message))
      vi.spyOn(connection, 'publishMany').mockImplementation(async (messages) => {
        sent.push(...messages)
        return messages.map(() => undefined)
      })
      const exchange = {
        exchange: 'steps',
        exchangeType,
        routingKey: 'steps.body',
        headers: { kind: 'body' },
      }
      await chord([task.s(1), task.s(2)], polling.app.signature('far').set(exchange)).applyAsync()
      expect(sent.find(({ headers }) => headers['task'] === 'celery.chord_unlock')).toMatchObject({
        exchange: 'steps',
        exchangeType,
        routingKey: 'steps.body',
        headers: { kind: 'body' },
      })
    },
  )

  it('D57-152: a frozen chord may be sent twice', async () => {
    const canvas = chord([add.s(1, 1)], xsum.s())
    canvas.freeze()
    expect((await run(canvas)).value).toBe(2)
    expect((await run(canvas)).value).toBe(2)
  })
})

describe('building', () => {
  it('CANVAS-2, CANVAS-15: signatures from names, tasks and data', () => {
    const { app } = captured
    expect(
      app.signature('far', { args: [1], kwargs: { a: 2 }, queue: 'q', immutable: true }).toJSON(),
    ).toEqual({
      task: 'far',
      args: [1],
      kwargs: { a: 2 },
      options: { queue: 'q' },
      subtask_type: null,
      immutable: true,
    })
    const signature = add.s(1)
    expect(maybeSignature(null, { app })).toBeNull()
    expect(maybeSignature(signature, { app })).toBe(signature)
    const copy = maybeSignature(signature, { app, clone: true })!
    expect(copy).not.toBe(signature)
    expect(copy.toJSON()).toEqual(signature.toJSON())
    expect(maybeSignature(signature.toJSON(), { app })!.toJSON()).toEqual(signature.toJSON())
  })

  it('CANVAS-2: a task of others is sent by name, with the options declared for it', async () => {
    const far = captured.app.remoteTask<(value: number, by?: number) => number>('far', { priority: 4 })
    await add.s(1, 1).pipe(far.s(3)).applyAsync()
    const [first] = await captured.sent()
    expect(first!.embed.chain).toMatchObject([{ task: 'far', args: [3], options: { priority: 4 } }])
    await far.applyAsync([1], { kwargs: { by: 2 }, countdown: 1 })
    await expect(far.applyAsync(1 as never)).rejects.toThrow('Arguments are a list')
    await far.delay(1, 2)
    await far.starmap([[1, 2]]).delay()
    const sent = await captured.sent()
    const mapped = sent.filter(({ headers }) => headers['task'] === 'celery.starmap')
    const called = sent.filter((message) => !mapped.includes(message))
    expect(calls(called)).toEqual(['far(1)', 'far(1,2)'])
    expect(called.map(({ properties }) => properties.priority)).toEqual([4, 4])
    expect(mapped).toMatchObject([{ kwargs: { task: { task: 'far' }, it: [[1, 2]] } }])
    expect(() => captured.app.remoteTask('')).toThrow(/must not be empty/)
    expect(() => captured.app.remoteTask('far', { quue: 'x' } as never)).toThrow(/"queue"/)
  })

  it('row 39, CANVAS-48: a group whose only member ends in a group gives that group', async () => {
    const { value, handle } = await run(group([untyped(add.s(1, 1), group([add.s(10), add.s(20)]))]))
    expect(value).toEqual([12, 22])
    expect(handle.results).toHaveLength(2)
  })

  it('CANVAS-53, CANVAS-54: map and starmap go where the task goes, and take nothing from the step before', async () => {
    await using routed = capturedApp({ taskRoutes: { summed: 'sums' } })
    const first = routed.app.task('first', () => 1)
    const sum = routed.app.task('summed', (value: number) => value)
    await untyped(first.s(), sum.map([1, 2])).applyAsync()
    const { messages } = await runCanvas(routed)
    expect(messages.map(({ headers }) => headers['task'])).toEqual(['first'])
    const [mapped] = await routed.sent('sums')
    expect(mapped).toMatchObject({
      queue: 'sums',
      args: [],
      kwargs: { it: [1, 2], task: { task: 'summed' } },
    })
    expect(mapped!.headers['task']).toBe('celery.map')
    expect(sum.chunks([[1], [2], [3]], 2).tasks.map(({ immutable }) => immutable)).toEqual([true, true])
    expect(() => sum.chunks([[1]], 0)).toThrow(/at least 1, not 0/)
  })

  it('CANVAS-23: one object may stand in a canvas twice', async () => {
    const one = add.s(1)
    const canvas = untyped(add.s(1, 1), one, one)
    canvas.freeze()
    const { messages, value } = await run(canvas)
    expect(value).toBe(4)
    expect(new Set(ids(messages, 'id')).size).toBe(3)
    const both = group([add.s(1, 1)].flatMap((member) => [member, member]))
    both.freeze()
    expect(new Set(ids((await run(both)).messages, 'id')).size).toBe(2)
  })
})

describe('what is too much', () => {
  it('CANVAS-92: a canvas that leads back to itself is refused when it is linked, with the way round', () => {
    const first = add.s(1)
    const second = add.s(2)
    first.link(second)
    expect(() => second.link(first)).toThrow('add cannot be linked to itself: add.link → add.link[0] → add')
    expect(() => first.linkError(first)).toThrow('add.link_error → add')
    const whole = chain(first, add.s(3))
    expect(() => second.link(chord([noop.si()], whole as never))).toThrow(
      /add\.link → celery\.chord\.body → celery\.chain\.tasks\[0\] → add\.link\[0\] → add\. Link a copy/,
    )
    // A copy has a copy of what it leads to.
    expect(() => second.link(first.clone())).not.toThrow()
    expect(second.link(add.s(2))).not.toBe(second)
  })

  it('CANVAS-92, PAIN-20: a canvas too large is refused when it is built, with its size and the place', () => {
    const member = noop.si()
    const thousand = group(Array.from({ length: 1000 }, () => member))
    const members: AnySignature[] = [add.s(1, 1), ...Array.from({ length: 998 }, () => thousand)]
    expect(() => group(members)).not.toThrow()
    expect(() => group([...members, thousand])).toThrow(
      /This group holds 1000001 signatures; at most 1000000 .* The largest part is group\.tasks\[1\] \(celery\.group, 1001 signatures\)/,
    )
  })

  it('CANVAS-92: what is no signature is refused where it is put, with what was meant', () => {
    const js = { chain, chord, group } as unknown as Record<
      'chain' | 'chord' | 'group',
      (...parts: readonly unknown[]) => unknown
    >
    const { pipe, link, linkError, onError } = add.s(1) as unknown as Record<
      'pipe' | 'link' | 'linkError' | 'onError',
      (...parts: readonly unknown[]) => unknown
    >
    const refused: readonly (readonly [() => unknown, string])[] = [
      [() => js.chain(add, noop.s()), 'chain: step 1 is the task add, not a call of it. Write .s(…)'],
      [() => js.chain([add.s(1), add.s(2)]), 'chain: step 1 is a list, not a signature. Spread it'],
      [() => js.chain(add.s(1), undefined), 'chain: step 2 is undefined, not a signature'],
      [() => js.chain(3, add.s(1)), 'chain: step 1 is 3, not a signature. task(…) calls the function'],
      [() => js.group([add.s(1), Promise.resolve()]), 'group: member 2 is a promise, not a signature'],
      [() => js.group([add.s(1).toJSON()]), 'group: member 1 is data, not a signature. app.signature(data)'],
      [() => js.chord([add.s(1)]), 'chord: the body is undefined, not a signature'],
      [() => js.chord([add.s(1), add], xsum.s()), 'chord: member 2 is the task add'],
      [() => js.chord(5, xsum.s()), 'chord: the header is 5, not a signature'],
      [() => pipe.call(add.s(1), add), 'pipe: step 1 is the task add'],
      [() => link.call(add.s(1), add), 'link: the callback is the task add'],
      [() => linkError.call(add.s(1), undefined), 'linkError: the callback is undefined'],
      [() => onError.call(add.s(1), 'add'), "onError: the callback is 'add', not a signature"],
      [() => add.map(5 as never), 'map takes a list of items, not 5'],
      [() => add.starmap([[1], 2 as never]), 'starmap: item 2 must be a list of arguments, not 2'],
    ]
    for (const [build, message] of refused) {
      expect(build).toThrow(expect.objectContaining({ code: 'CT_CONFIGURATION' }))
      expect(build).toThrow(message)
    }
    expect(() => link.call(add.s(1), add.s(2).toJSON())).not.toThrow()
  })

  it('CANVAS-92: a canvas too deep is refused, built here or received', () => {
    let deep: AnySignature = noop.si()
    for (let level = 0; level < 98; level++) deep = group([deep, noop.si()])
    const dict = JSON.parse(JSON.stringify(deep)) as object
    expect(() => group([deep, noop.si()])).not.toThrow()
    const wrap = (inner: object): object => ({
      ...group([]).toJSON(),
      kwargs: { tasks: [inner, noop.si().toJSON()] },
    })
    expect(() => signatureFromDict(captured.app, wrap(dict))).not.toThrow()
    expect(() => signatureFromDict(captured.app, wrap(wrap(dict)))).toThrow(
      /nested 101 deep; at most 100 is possible\. The deepest part is group\.tasks\[0\] \(celery\.group, 100 deep\)/,
    )
  })

  it('CANVAS-92: a chain may have more steps than calls can be nested', () => {
    const step = add.s(1)
    const steps = Array.from({ length: 99_000 }, () => step)
    const made = piped(add.s(1, 1), [piped(step, steps), step]) as Chain
    expect(made.tasks).toHaveLength(99_003)
    const nested = new Chain({ app: captured.app, tasks: [made, step] })
    expect(nested.steps).toHaveLength(99_004)
    let frozen: FrozenResult | null = null
    for (let index = 0; index < 50_000; index++)
      frozen = { id: String(index), parent: frozen, children: null }
    const handle = resultHandle(captured.app.context, frozen!) as AsyncResult
    expect(handle.asList()).toHaveLength(50_000)
  })

  it('CANVAS-77, CANVAS-92: what is saved of a header with long chains can be read', async () => {
    const long = untyped(add.s(1, 1), ...Array.from({ length: 600 }, () => add.s(1)))
    const members = [long, untyped(add.s(1, 1), group([add.s(1), add.s(2)]))]
    const { parent } = (await (chord(members, xsum.s() as never) as Signature).applyAsync()) as AsyncResult
    const saved = await captured.app.context.results.restoreGroup(parent!.id)
    expect(saved!.children!.map(({ id }) => id)).toEqual((parent as GroupResult).results.map(({ id }) => id))
    await captured.sent()
  })

  it('CANVAS-92: nor leads a callback that is set back to itself', () => {
    const signature = add.s(1)
    expect(() => signature.set({ link: signature })).toThrow('add.link → add')
    expect(() => signature.set({ linkError: [group([signature])] })).toThrow('add.link_error → celery.group')
    expect(signature.options).toEqual({})
  })
})

describe('what others hold', () => {
  it('CANVAS-5, CANVAS-83: callbacks of a copy are its own', () => {
    const callback = noop.si()
    const signature = add.s(1)
    signature.link(callback)
    signature.clone().stamp({ tenant: 'acme' })
    chain(add.s(1, 1), signature).clone().stamp({ tenant: 'acme' })
    expect([callback.options, signature.options['link']]).toEqual([{}, [callback]])
  })

  it('CANVAS-70: a chord of which a member cannot be encoded is not begun', async () => {
    const begun = vi.spyOn(captured.app.context.results, 'beginChord')
    const canvas = chord([add.s(1), args.s(() => 1)], noop.si())
    await expect(canvas.applyAsync()).rejects.toMatchObject({ code: 'CT_ENCODE' })
    expect(begun).not.toHaveBeenCalled()
    expect(await captured.sent()).toEqual([])
  })

  it('RES-10, CANVAS-40: an empty group that a task sends is no child of it', async () => {
    const request = localRequest('parent', { id: 'p', rootId: 'r', calledDirectly: false })
    const context = new LocalTaskContext(captured.app.tasks.get('add')!, request, captured.app)
    const children: ResultHandle[] = []
    await runInTask({ context, children }, () => group([]).applyAsync())
    expect(children).toEqual([])
    await runInTask({ context, children }, () => group([add.s(1)]).applyAsync([1]))
    expect(children).toHaveLength(1)
  })

  it('RES-10, CANVAS-76: of a chord sent by a task the header is its child; a body without one has the task as its parent', async () => {
    const request = localRequest('parent', { id: 'p', rootId: 'r', calledDirectly: false })
    const context = new LocalTaskContext(captured.app.tasks.get('add')!, request, captured.app)
    const children: ResultHandle[] = []
    const result = await runInTask({ context, children }, () =>
      chord([add.s(1), add.s(2)], xsum.s()).applyAsync(),
    )
    const header = result.parent!
    expect(children).toMatchObject([{ id: header.id, children: [{}, {}] }])
    await captured.sent()
    const { messages } = await run(untyped(add.s(1, 1), chord([], xsum.s())))
    expect(ids(messages, 'parent_id')).toEqual([null, messages[0]!.headers['id']])
  })
})
