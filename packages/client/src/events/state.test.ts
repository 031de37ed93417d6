import { describe, expect, it } from 'vitest'
import { State, type EventFields, type StateOptions } from './index.ts'

let clock = 0
const task = (subject: string, uuid: string, more: EventFields = {}): EventFields => ({
  type: `task-${subject}`,
  uuid,
  hostname: 'w@h',
  pid: 1,
  utcoffset: 0,
  clock: ++clock,
  timestamp: 1000 + clock,
  local_received: 1000 + clock,
  ...more,
})
const worker = (subject: string, hostname: string, more: EventFields = {}): EventFields => ({
  type: `worker-${subject}`,
  hostname,
  pid: 7,
  clock: ++clock,
  timestamp: 1000 + clock,
  local_received: 1000 + clock,
  freq: 2,
  ...more,
})
const fed = (events: readonly EventFields[], options: StateOptions = {}): State => {
  const state = new State(options)
  for (const event of events) state.event(event)
  return state
}

describe('workers', () => {
  it('EVT-41: are alive for twice their frequency after they were last heard of', () => {
    let now = 0
    const state = fed([worker('online', 'a@h', { local_received: 100, active: 3, sw_ident: 'ct' })], {
      now: () => now,
    })
    const record = state.workers.get('a@h')!
    expect(record).toMatchObject({ pid: 7, freq: 2, active: 3, swIdent: 'ct', heartbeatExpires: 104 })
    now = 103_999
    expect([record.alive, record.statusString]).toEqual([true, 'ONLINE'])
    now = 104_000
    expect([record.alive, record.statusString]).toEqual([false, 'OFFLINE'])
    expect(state.aliveWorkers()).toEqual([])
  })

  it('EVT-41: remember four heartbeats in order of time, whatever the order in which they come', () => {
    const beats = [5, 3, 9, 7, 8].map((at) => worker('heartbeat', 'a@h', { local_received: at }))
    expect(fed(beats).workers.get('a@h')!.heartbeats).toEqual([5, 7, 8, 9])
  })

  it('EVT-40: joining and leaving are told; who leaves is forgotten then', () => {
    const told: string[] = []
    const state = fed(
      [
        worker('heartbeat', 'a@h'),
        worker('heartbeat', 'a@h'),
        worker('online', 'a@h'),
        worker('offline', 'a@h'),
      ],
      {
        onNodeJoin: ({ hostname }) => told.push(`+${hostname}`),
        onNodeLeave: ({ hostname }) => told.push(`-${hostname}`),
      },
    )
    expect(told).toEqual(['+a@h', '+a@h', '-a@h'])
    expect(state.workers.size).toBe(0)
  })

  it('EVT-42: a clock that is off by more than 16 s is told once', () => {
    const told: string[] = []
    const off = { timestamp: 0, local_received: 17 }
    fed(
      [
        worker('online', 'a@h', off),
        worker('heartbeat', 'a@h', off),
        worker('online', 'b@h', { timestamp: 1, local_received: 17 }),
      ],
      {
        warn: (message) => told.push(message),
      },
    )
    expect(told).toEqual([expect.stringMatching(/^The clocks of a@h .* differ by 0*17 s/)])
  })
})

describe('tasks', () => {
  it('EVT-43: what their events say', () => {
    const state = fed([
      task('sent', 't1', { hostname: 'gen1@h', name: 'add', queue: 'celery' }),
      task('received', 't1', {
        name: 'add',
        args: '(1,)',
        kwargs: '{}',
        retries: 0,
        eta: null,
        root_id: 't1',
        parent_id: null,
      }),
      task('started', 't1'),
      task('succeeded', 't1', { result: '2', runtime: 0.5 }),
    ])
    const record = state.tasks.get('t1')!
    expect(record).toMatchObject({
      name: 'add',
      state: 'SUCCESS',
      args: '(1,)',
      result: '2',
      runtime: 0.5,
      client: 'gen1@h',
      retries: 0,
      ready: true,
    })
    expect(record.worker).toBe(state.workers.get('w@h'))
    expect(record.at('started')).toBeTypeOf('number')
    expect(record.at('failed')).toBeUndefined()
    expect(record.info()).toEqual({
      args: '(1,)',
      kwargs: '{}',
      retries: 0,
      result: '2',
      runtime: 0.5,
      root_id: 't1',
    })
    expect([state.eventCount, state.taskCount]).toEqual([4, 1])
    expect(state.taskTypes()).toEqual(['add'])
  })

  it('EVT-44: a late event fills in and turns nothing back', () => {
    const state = fed([
      task('succeeded', 't1', { result: '2' }),
      task('started', 't1'),
      task('received', 't1', { name: 'add', args: '()', result: 'not of this event' }),
      task('sent', 't1', { name: 'add', routing_key: 'celery' }),
    ])
    expect(state.tasks.get('t1')).toMatchObject({
      state: 'SUCCESS',
      name: 'add',
      args: '()',
      result: '2',
      routingKey: 'celery',
    })
  })

  it('EVT-44: RETRY comes and goes', () => {
    const state = fed([task('started', 't1'), task('retried', 't1'), task('received', 't1')])
    expect(state.tasks.get('t1')!.state).toBe('RECEIVED')
    state.event(task('succeeded', 't1'))
    state.event(task('retried', 't1'))
    expect(state.tasks.get('t1')!.state).toBe('RETRY')
  })

  it('EVT-28, EVT-9: an unknown subject is a state of its own, an unknown group is none', () => {
    const state = fed([
      task('started', 't1'),
      task('cancelled', 't1'),
      { type: 'order-shipped', hostname: 'x' },
    ])
    expect(state.tasks.get('t1')!.state).toBe('CANCELLED')
    expect(state.eventCount).toBe(3)
  })

  it('EVT-43: parents and children find each other, whoever comes first', () => {
    const state = fed([
      task('received', 'child', { name: 'b', parent_id: 'parent', root_id: 'parent' }),
      task('received', 'parent', { name: 'a' }),
    ])
    const parent = state.tasks.get('parent')!
    expect(parent.children.map(({ uuid }) => uuid)).toEqual(['child'])
    expect(state.tasks.get('child')!.parent).toBe(parent)
    expect(state.tasks.get('child')!.root).toBe(parent)
  })

  it('EVT-45: lists by time, type and worker', () => {
    const state = fed([
      task('received', 'one', { name: 'a', clock: 1 }),
      task('received', 'two', { name: 'b', clock: 5 }),
      task('received', 'three', { name: 'a', clock: 3, hostname: 'v@h' }),
      task('started', 'one', { clock: 9 }),
    ])
    const ids = (records: readonly { readonly uuid: string }[]): string[] => records.map(({ uuid }) => uuid)
    expect(ids(state.tasksByTime())).toEqual(['one', 'two', 'three'])
    expect(ids(state.tasksByTimestamp({ reverse: false, limit: 2 }))).toEqual(['one', 'three'])
    expect(ids(state.tasksByType('a'))).toEqual(['one', 'three'])
    expect(ids(state.tasksByWorker('w@h'))).toEqual(['one', 'two'])
    expect([...state.itertasks(2)]).toHaveLength(2)
  })
})

describe('memory', () => {
  it('EVT-40: the task heard of longest ago is forgotten, with its name among its parent’s children', () => {
    const state = fed(
      [
        task('received', 'p'),
        task('received', 'c', { parent_id: 'p' }),
        task('started', 'p'),
        task('received', 'x'),
      ],
      { maxTasksInMemory: 2 },
    )
    expect([...state.tasks.keys()]).toEqual(['p', 'x'])
    expect(state.tasks.get('p')!.children).toEqual([])
  })

  it('EVT-40: as many workers as it was told', () => {
    const state = fed(
      ['a', 'b', 'c'].map((name) => worker('online', name)),
      { maxWorkersInMemory: 2 },
    )
    expect([...state.workers.keys()]).toEqual(['b', 'c'])
    expect(() => new State({ maxTasks: 10 } as object)).toThrow(
      /no option "maxTasks"\. Did you mean "maxTasksInMemory"/,
    )
    expect(() => new State({ onNodeJoin: 'log' as never })).toThrow(/"onNodeJoin" must be a function/)
    expect(() => new State({ maxTasksInMemory: 0 })).toThrow(/maxTasksInMemory/)
  })

  it('EVT-47: clearTasks forgets the ready ones, clear the workers and counts too', () => {
    const state = fed([task('started', 'runs'), task('succeeded', 'done')])
    state.clearTasks()
    expect([...state.tasks.keys()]).toEqual(['runs'])
    state.clear()
    expect([state.tasks.size, state.workers.size, state.eventCount, state.taskCount]).toEqual([1, 0, 0, 0])
    state.clearTasks({ ready: false })
    expect(state.tasks.size).toBe(0)
  })

  it('EVT-40: nothing changes while it is frozen; what came meanwhile counts afterwards', async () => {
    const state = fed([task('started', 't1')])
    const seen = await state.freezeWhile(
      async () => {
        state.event(task('succeeded', 't1'))
        state.event(task('received', 't2'))
        await Promise.resolve()
        return state.tasks.get('t1')!.state
      },
      { clearAfter: true },
    )
    expect(seen).toBe('STARTED')
    expect([...state.tasks.values()].map((one) => one.state)).toEqual(['SUCCESS', 'RECEIVED'])
  })

  it('EVT-40: of several that look at it, the last one ends its rest', async () => {
    const state = fed([task('started', 't1')])
    const [short, long] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
    const one = state.freezeWhile(() => short.promise, { clearAfter: true })
    const two = state.freezeWhile(async (seen) => {
      await long.promise
      return [...seen.tasks.values()].map((each) => each.state)
    })
    state.event(task('succeeded', 't1'))
    short.resolve()
    await one
    state.event(task('received', 't2'))
    long.resolve()
    expect(await two).toEqual(['STARTED'])
    expect([...state.tasks.values()].map((each) => each.state)).toEqual(['SUCCESS', 'RECEIVED'])
    expect(state.eventCount).toBe(2)
  })

  it('EVT-40: a look that never ends costs no memory without bounds: the oldest of what waits is forgotten, and that is told', async () => {
    const warnings: string[] = []
    const state = fed([], { maxTasksInMemory: 10, warn: (text) => void warnings.push(text) })
    const end = Promise.withResolvers<void>()
    const look = state.freezeWhile(() => end.promise)
    for (let i = 0; i < 5000; i++) state.event(task('received', `t${i}`))
    end.resolve()
    await look
    expect(state.tasks.size).toBe(10)
    expect(state.eventCount).toBe(5000)
    expect(state.taskCount).toBeLessThanOrEqual(1000)
    expect([...state.tasks.keys()].at(-1)).toBe('t4999')
    expect(warnings).toEqual([expect.stringMatching(/forgotten/)])
  })

  it('EVT-40: a callback that throws costs none of what came while it was frozen', async () => {
    const warnings: string[] = []
    const state = fed([], {
      onEvent: (_state, event) => {
        if (event['uuid'] === 'odd') throw new Error('mine')
      },
      warn: (text) => void warnings.push(text),
    })
    await state.freezeWhile(() => {
      state.event(task('received', 'odd'))
      state.event(task('received', 'fine'))
    })
    expect([...state.tasks.keys()]).toEqual(['fine'])
    expect(warnings).toEqual(['A callback of the state of the fleet failed: mine'])
  })

  it('EVT-43: a task that gets another parent leaves the one before', () => {
    const state = fed(
      Array.from({ length: 100 }, (_, at) => task('received', 'child', { parent_id: `parent${at}` })),
    )
    expect(state.childrenOf('parent99')).toHaveLength(1)
    expect(state.childrenOf('parent0')).toEqual([])
  })

  it('EVT-46: saved and restored, and goes on from there', () => {
    const state = fed([
      worker('online', 'w@h', { local_received: Date.now() / 1000 }),
      task('received', 'p', { name: 'a', args: '()', clock: 4 }),
      task('received', 'c', { name: 'b', parent_id: 'p', clock: 2 }),
      task('succeeded', 'p', { result: '1', clock: 9 }),
    ])
    const again = State.from(JSON.parse(JSON.stringify(state)))
    expect(JSON.parse(JSON.stringify(again))).toEqual(JSON.parse(JSON.stringify(state)))
    expect(again.tasksByTime().map(({ uuid }) => uuid)).toEqual(['p', 'c'])
    expect(again.tasks.get('p')!.children).toHaveLength(1)
    again.event(task('started', 'p'))
    expect(again.tasks.get('p')!.state).toBe('SUCCESS')
    expect(() => State.from({})).toThrow(/no saved state/)
  })

  it('EVT-46: what is wrong in a saved task costs no more than what it says', () => {
    const spans = [{}, { first: {}, last: 5 }, { first: { clock: 1 }, last: null }, 'then']
    const state = State.from({ workers: [], tasks: spans.map((span, n) => ({ uuid: `t${n}`, span })) })
    for (const n of spans.keys()) state.event(task('started', `t${n}`))
    expect(state.tasksByTime()).toHaveLength(spans.length)
  })

  it('EVT-40: no event whatever can stop it', () => {
    const odd: EventFields[] = [
      {},
      { type: 5 },
      { type: 'task-received' },
      { type: 'task-received', uuid: 't', hostname: 'w', timestamp: 'then' },
      { type: 'worker-online' },
      { type: 'worker-online', hostname: 'w', freq: 'often', loadavg: 'high', local_received: Number.NaN },
      { type: 'task-', uuid: '__proto__', hostname: '__proto__', timestamp: 1 },
      { type: 'task-toString', uuid: 'u', hostname: 'w', timestamp: 1, parent_id: 5 },
    ]
    const state = fed(odd)
    expect(state.eventCount).toBe(odd.length)
    expect(state.tasksByTime()).toHaveLength(2)
    expect(JSON.stringify(state)).toContain('TOSTRING')
  })
})
