/** The state of a fleet, put together by ct and by Python from the same events. */
import { python, tryPython, type PythonClient } from '@ct-tools/interop'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { State, type EventFields } from './index.ts'

const ready = await tryPython('5.7')

/** Numerical Recipes' generator: the same stream on each run. */
function random(seed: number): (below: number) => number {
  let value = seed
  return (below) => {
    value = (Math.imul(value, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((value / 2 ** 32) * below)
  }
}

/** A day in a fleet: tasks with parents, retries and revokes on three workers, with a tenth of the events out of order. */
function stream(seed: number, count: number): EventFields[] {
  const pick = random(seed)
  const events: EventFields[] = []
  let clock = 0
  const event = (type: string, hostname: string, more: EventFields): void => {
    clock++
    const timestamp = 1_700_000_000 + clock / 8
    // At the same instant here: Python takes the sender's time for the heartbeat of a task event, ct the receiver's.
    events.push({
      type,
      hostname,
      pid: 100 + hostname.length,
      utcoffset: 0,
      clock,
      timestamp,
      local_received: timestamp,
      ...more,
    })
  }
  const nodes = ['one@h', 'second@h', 'third1@h']
  for (const node of nodes)
    event('worker-online', node, {
      freq: 2,
      active: 0,
      processed: 0,
      loadavg: [0.1, 0.2, 0.3],
      sw_ident: 'ct',
      sw_ver: '1',
      sw_sys: 'Linux',
    })
  for (let index = 0; index < count; index++) {
    const uuid = `task-${index}`
    const node = nodes[pick(nodes.length)]!
    const parent = index > 0 && pick(3) === 0 ? `task-${pick(index + 5)}` : null
    const basic = {
      name: `proj.${['add', 'mul', 'fetch'][pick(3)]}`,
      args: `(${index},)`,
      kwargs: '{}',
      retries: 0,
      eta: null,
      expires: null,
      root_id: parent ?? uuid,
      parent_id: parent,
    }
    if (pick(2) === 0)
      event('task-sent', 'gen1@h', { uuid, ...basic, queue: 'celery', exchange: '', routing_key: 'celery' })
    event('task-received', node, { uuid, ...basic })
    const course = pick(8)
    if (course === 0) event('task-revoked', node, { uuid, terminated: false, signum: null, expired: false })
    else if (course !== 1) {
      event('task-started', node, { uuid })
      if (course === 2) {
        event('task-retried', node, { uuid, exception: "ValueError('x')", traceback: 'Traceback' })
        event('task-received', node, { uuid, ...basic, retries: 1 })
        event('task-started', node, { uuid })
      }
      if (course === 3)
        event('task-failed', node, { uuid, exception: "ValueError('no')", traceback: 'Traceback' })
      else if (course === 4) event('task-cancelled', node, { uuid })
      else if (course === 5) event('task-rejected', node, { uuid, requeue: true })
      else event('task-succeeded', node, { uuid, result: String(index), runtime: index / 10 })
    }
    if (pick(6) === 0)
      event('worker-heartbeat', node, { freq: 2, active: pick(4), processed: index, loadavg: [1, 2, 3] })
  }
  event('worker-offline', 'third1@h', { freq: 2 })
  for (let swaps = events.length / 10; swaps > 0; swaps--) {
    const from = pick(events.length)
    const to = Math.min(events.length - 1, from + pick(6))
    ;[events[from], events[to]] = [events[to]!, events[from]!]
  }
  return events
}

const source = `
from celery.events.state import State
state = State(**options)
for event in events:
    state.event(dict(event))

def shown(task):
    found = task.as_dict()
    found['worker'] = task.worker.hostname if task.worker else None
    found['children'] = sorted(child.uuid for child in task.children)
    return found

{
    'tasks': {uuid: shown(task) for uuid, task in state.tasks.items()},
    'workers': {name: {'pid': w.pid, 'freq': w.freq, 'heartbeats': list(w.heartbeats), 'clock': w.clock, 'active': w.active,
                       'processed': w.processed, 'loadavg': w.loadavg, 'sw_ident': w.sw_ident, 'id': w.id}
                for name, w in state.workers.items()},
    'by_time': [uuid for uuid, _ in state.tasks_by_time()],
    'by_time_forward': [uuid for uuid, _ in state.tasks_by_time(reverse=False)],
    'by_type': [uuid for uuid, _ in state.tasks_by_type('proj.add')],
    'types': state.task_types(),
    'counts': [state.event_count, state.task_count],
}
`

describe.skipIf(!ready)('Celery 5.7 and ct, given the same events', () => {
  let client: PythonClient
  beforeAll(async () => {
    client = await python('5.7', {})
  })
  afterAll(async () => {
    await client?.[Symbol.asyncDispose]()
  })

  const ours = (events: readonly EventFields[], max?: number): Record<string, unknown> => {
    const state = new State(max === undefined ? {} : { maxTasksInMemory: max })
    for (const event of events) state.event(event)
    const ids = (tasks: readonly { readonly uuid: string }[]): string[] => tasks.map(({ uuid }) => uuid)
    return {
      tasks: Object.fromEntries(
        [...state.tasks].map(([uuid, task]) => [
          uuid,
          { ...task.toJSON(), children: ids(task.children).toSorted() },
        ]),
      ),
      workers: Object.fromEntries(
        [...state.workers].map(
          ([name, { pid, freq, heartbeats, clock, active, processed, loadavg, swIdent, id }]) => [
            name,
            { pid, freq, heartbeats, clock, active, processed, loadavg, sw_ident: swIdent, id },
          ],
        ),
      ),
      by_time: ids(state.tasksByTime()),
      by_time_forward: ids(state.tasksByTime({ reverse: false })),
      by_type: ids(state.tasksByType('proj.add')),
      types: state.taskTypes(),
      counts: [state.eventCount, state.taskCount],
    }
  }

  it.each([1, 2, 3])('EVT-40…45: say the same of stream %i', async (seed) => {
    const events = stream(seed, 150)
    expect(ours(events)).toEqual(await client.exec(source, { events, options: {} }))
  })

  it('EVT-40, PAIN-10: forget the same tasks when memory is full', async () => {
    // Each task's events in one piece: Python forgets by age, ct by when it was last heard of.
    const events = stream(4, 60)
      .toSorted(
        (a, b) =>
          Number(String(a['uuid'] ?? '-0').split('-')[1]) - Number(String(b['uuid'] ?? '-0').split('-')[1]),
      )
      .filter(({ parent_id: parent }) => parent == null)
    const theirs = await client.exec<{ tasks: object }>(source, {
      events,
      options: { max_tasks_in_memory: 20 },
    })
    expect(Object.keys(ours(events, 20)['tasks'] as object).toSorted()).toEqual(
      Object.keys(theirs.tasks).toSorted(),
    )
  })
})
