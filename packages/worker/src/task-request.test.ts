/** What a running task sees of its message, and the ways it can end. */
import { memoryBackend, memoryBroker } from '@ct/broker-memory'
import {
  chain,
  chord,
  createApp,
  currentTask,
  type App,
  type AppOptions,
  type Logger,
  type Task,
  type TaskContext,
} from '@ct/client'
import { Ignore, Reject } from '@ct/contracts'
import { afterEach, describe, expect, it } from 'vitest'
import { createWorker, type Worker } from './index.ts'

let hubs = 0
const open: { worker?: Worker; app: App }[] = []
const soon = { timeoutMs: 20_000 }

async function start(define: (app: App) => void, options: AppOptions = {}): Promise<App> {
  const hub = `task-request-${process.pid}-${++hubs}`
  const lines: string[] = []
  const app = createApp({
    name: 'proj',
    broker: memoryBroker({ name: hub }),
    backend: memoryBackend({ name: hub }),
    logger: quiet(lines),
    environment: {},
    ...options,
  })
  define(app)
  const worker = createWorker(app, { withoutMingle: true, hostname: 'w@test' })
  open.push({ app, worker })
  await worker.start()
  return app
}

function quiet(lines: string[]): Logger {
  const add = (message: string): void => void lines.push(message)
  const logger: Logger = { debug() {}, info: add, warn: add, error: add, critical: add, child: () => logger }
  return logger
}

afterEach(async () => {
  for (const { worker, app } of open) {
    await worker?.stop({ mode: 'cold' })
    await app.close()
  }
  open.length = 0
})

describe('the request', () => {
  it('CANVAS-94, RES-12: a task does not wait for another, unless it insists', async () => {
    const app = await start((app) => {
      const one = app.task('one', () => 1)
      app.task('waits', async (insists: boolean) => {
        const result = await one.delay()
        return await result.get({ ...soon, ...(insists ? { disableSyncSubtasks: false } : {}) })
      })
    })
    const run = async (insists: boolean): Promise<unknown> =>
      await (await app.sendTask('waits', { args: [insists] })).get(soon)
    await expect(run(false)).rejects.toThrow(/Use a chain or chord/)
    expect(await run(true)).toBe(1)
  })

  it('TASK-59, TASK-60: a member of a chord knows group, position, body, rest of the chain and callbacks', async () => {
    const seen: Record<string, unknown>[] = []
    const app = await start((app) => {
      app.task('look', { bind: true, typing: false }, ({ request }) => {
        seen.push({
          group: request.group,
          index: request.groupIndex,
          chord: (request.chord as { task?: string } | null)?.task ?? null,
          chain: request.chain?.map((step) => (step as { task: string }).task) ?? null,
          callbacks: request.callbacks?.map((step) => (step as { task: string }).task) ?? null,
          errbacks: request.errbacks?.map((step) => (step as { task: string }).task) ?? null,
        })
        return 1
      })
      app.task('sum', { typing: false }, (values: number[]) => values.length)
      app.task('end', { typing: false }, () => 'end')
    })
    const look = app.signature('look')
    await (await chord([look.clone(), look.clone()], app.signature('sum')).applyAsync()).get(soon)
    const [group] = new Set(seen.map((one) => one['group']))
    expect(group).toMatch(/^[\da-f-]{36}$/)
    expect(seen.map(({ index, chord: body }) => [index, body]).toSorted()).toEqual([
      [0, 'sum'],
      [1, 'sum'],
    ])
    seen.length = 0
    const first = app.signature('look')
    first.link(app.signature('end', { immutable: true }))
    first.linkError(app.signature('end', { immutable: true }))
    await (
      await chain(
        first,
        app.signature('sum', { immutable: true, args: [[1]] }),
        app.signature('end', { immutable: true }),
      ).applyAsync()
    ).get(soon)
    expect(seen).toEqual([
      { group: null, index: null, chord: null, chain: ['end', 'sum'], callbacks: ['end'], errbacks: ['end'] },
    ])
  })

  it('TASK-61, TASK-62: custom headers alone, null without any; the message’s properties', async () => {
    const app = await start((app) => {
      app.task('look', { bind: true }, ({ request }) => [
        request.headers,
        request.properties?.['correlationId'] === request.id,
        request.properties?.['priority'],
      ])
    })
    const plain = await app.sendTask('look')
    expect(await plain.get(soon)).toEqual([null, true, 0])
    const custom = await app.sendTask('look', { headers: { tenant: 'a', depth: 2 }, priority: 3 })
    expect(await custom.get(soon)).toEqual([{ tenant: 'a', depth: 2 }, true, 3])
  })

  it('TASK-63: stamps', async () => {
    const app = await start((app) => {
      app.task('look', { bind: true }, ({ request }) => [request.stampedHeaders, request.stamps])
    })
    const result = await app
      .signature('look')
      .set({ stamps: { tenant: 'a' } })
      .applyAsync()
    expect(await result.get(soon)).toEqual([['tenant'], { tenant: 'a' }])
  })

  it('TASK-64, TASK-65: what the caller said of the result, the shadow, the nesting', async () => {
    const app = await start((app) => {
      app.task('look', { bind: true }, ({ request }) => [
        request.ignoreResult,
        request.shadow,
        request.replacedTaskNesting,
        request.utc,
      ])
    })
    const result = await app.sendTask('look', { ignoreResult: false, shadow: 'seen' })
    expect(await result.get(soon)).toEqual([false, 'seen', 0, true])
  })

  it('TASK-66, TASK-67: children are those of this execution; eager calls inside have a request of their own', async () => {
    const app = await start((app) => {
      const inner = app.task('inner', { bind: true }, ({ request }) => [request.id, request.isEager])
      app.task('outer', { bind: true }, async (task) => {
        const [eager, isEager] = (await (await inner.apply([])).get()) as [string, boolean]
        const sent = await inner.delay()
        return [eager !== task.request.id, isEager, currentTask()?.request.id === task.request.id, sent.id]
      })
    })
    const result = await app.sendTask<[boolean, boolean, boolean, string]>('outer')
    const [differs, isEager, back, child] = await result.get(soon)
    expect([differs, isEager, back]).toEqual([true, true, true])
    expect((await app.context.results.getMeta(result.id)).children?.map(({ id }) => id)).toEqual([child])
  })
})

describe('what the caller says', () => {
  it('D57-159: by name and without ignoreResult the task decides; what is said holds for retries too', async () => {
    const app = await start((app) => {
      const body = (task: TaskContext, times: number): number => {
        if (task.request.retries < times) throw task.retry({ countdown: 0 })
        ended.push(task.request.ignoreResult)
        return times
      }
      app.task('quiet', { bind: true, ignoreResult: true }, body)
      app.task('loud', { bind: true }, body)
    })
    const ended: unknown[] = []
    const send = async (name: string, times: number, ignoreResult?: boolean): Promise<string> => {
      const before = ended.length
      const options = ignoreResult === undefined ? {} : { ignoreResult }
      const { id } = await app.sendTask(name, { args: [times], ...options })
      await expect.poll(() => ended.length).toBe(before + 1)
      return id
    }
    const stored = async (id: string): Promise<unknown> => await app.asyncResult(id).exists()
    const unsaid = await send('quiet', 0)
    const silent = await send('loud', 1, true)
    for (const wanted of [await send('quiet', 1, false), await send('loud', 0)])
      await expect.poll(() => stored(wanted)).toBe(true)
    expect([await stored(unsaid), await stored(silent)]).toEqual([false, false])
    expect(ended).toEqual([null, true, false, null])
  })

  it('D57-161: the request has its limits; those of the call beat the task’s', async () => {
    const app = await start((app) => {
      app.task('limits', { bind: true, timeLimit: 50, softTimeLimit: 40 }, ({ request }) => [
        request.timeLimit,
        request.softTimeLimit,
      ])
    })
    const limits = app.tasks.get('limits') as unknown as Task<[], unknown>
    expect(await (await limits.delay()).get(soon)).toEqual([50, 40])
    expect(await (await limits.applyAsync([], { timeLimit: 9, softTimeLimit: 8 })).get(soon)).toEqual([9, 8])
    expect(await (await app.sendTask('limits', { timeLimit: 9 })).get(soon)).toEqual([9, 40])
  })

  it('D57-160: a revoke stores REVOKED only over states in which nobody works on the task', async () => {
    const app = await start(() => {})
    const { results } = app.context
    const states = ['PENDING', 'RECEIVED', 'RETRY', 'REJECTED', 'STARTED', 'PROGRESS', 'SUCCESS', 'FAILURE']
    for (const state of states.slice(1))
      await results.storeResult({ taskId: state, state, result: state === 'FAILURE' ? new Error('x') : null })
    await app.control.revoke(states, { reply: true, limit: 1, timeoutMs: 20_000 })
    const after = (): Promise<string[]> => Promise.all(states.map((id) => app.asyncResult(id).state()))
    // It answers before it stores.
    await expect
      .poll(async () => (await after()).slice(0, 4))
      .toEqual(Array.from({ length: 4 }, () => 'REVOKED'))
    await app.control.ping({ limit: 1, timeoutMs: 20_000 })
    expect((await after()).slice(4)).toEqual(['STARTED', 'PROGRESS', 'SUCCESS', 'FAILURE'])
  })
})

describe('what a task makes of its request', () => {
  it('TASK-120: addTrail records a result that the task has not sent; without trail it does nothing', async () => {
    const app = await start((app) => {
      app.task('leaf', () => 1)
      const body = async (task: TaskContext, id: string): Promise<string> =>
        task.addTrail(app.asyncResult(id)).id
      app.task('keeps', { bind: true }, body)
      app.task('forgets', { bind: true, trail: false }, body)
    })
    const leaf = await app.sendTask('leaf')
    const childrenOf = async (name: string): Promise<unknown> => {
      const result = await app.sendTask(name, { args: [leaf.id] })
      expect(await result.get(soon)).toBe(leaf.id)
      return (await result.children())?.map(({ id }) => id) ?? null
    }
    expect(await childrenOf('keeps')).toEqual([leaf.id])
    expect(await childrenOf('forgets')).toEqual([])
  })

  it('TASK-121: signatureFromRequest is the run once more: ids, callbacks, limits, headers and place stay', async () => {
    const app = await start((app) => {
      app.task('note', { typing: false }, () => 1)
      app.task('again', { bind: true, params: ['x', 'y'], ignoreResult: true }, (task) => {
        const plain = task.signatureFromRequest()
        const changed = task.signatureFromRequest({ args: [9], retries: 4, queue: 'other', priority: 1 })
        return [plain.toJSON(), changed.toJSON()]
      })
    })
    const result = await app.sendTask('again', {
      args: [1],
      kwargs: { y: 2 },
      taskId: 'mine',
      ignoreResult: false,
      priority: 3,
      timeLimit: 50,
      softTimeLimit: 40,
      headers: { tenant: 'a' },
      stamps: { order: 7 },
      shadow: 'shown',
      replyTo: 'who',
      link: app.signature('note'),
      linkError: app.signature('note'),
      chain: [app.signature('note')],
    })
    const [plain, changed] = (await result.get(soon)) as Record<string, Record<string, unknown>>[]
    const names = (list: unknown): unknown => (list as { task: string }[]).map(({ task }) => task)
    const { link, link_error: linkError, chain: rest, ...options } = plain!['options']!
    expect([plain!['task'], plain!['args'], plain!['kwargs']]).toEqual(['again', [1], { y: 2 }])
    expect([names(link), names(linkError), names(rest)]).toEqual([['note'], ['note'], ['note']])
    expect(options).toMatchObject({
      ...{ task_id: 'mine', root_id: 'mine', retries: 0, priority: 3, queue: 'celery', shadow: 'shown' },
      ...{ time_limit: 50, soft_time_limit: 40, headers: { tenant: 'a' }, reply_to: 'who' },
      ...{ stamped_headers: ['order'], order: 7, replaced_task_nesting: 0, group_id: null },
      ignore_result: false,
    })
    expect(changed!['args']).toEqual([9])
    expect(changed!['options']).toMatchObject({ retries: 4, queue: 'other', priority: 1, task_id: 'mine' })
  })
})

describe('the end', () => {
  it('TASK-70, TASK-72: callbacks are sent before the result is stored, groups among them each, the rest as one group', async () => {
    const ran: unknown[] = []
    const stored: string[] = []
    const app = await start((app) => {
      app.task('work', { onSuccess: () => void stored.push('onSuccess') }, () => 5)
      app.task('note', { bind: true, typing: false }, async (task, value: number, tag: string) => {
        ran.push([tag, value, task.request.parentId !== null, task.request.group !== null])
      })
    })
    const note = (tag: string): ReturnType<App['signature']> => app.signature('note', { args: [tag] })
    const result = await app.sendTask('work', { link: [note('a'), note('b')] })
    expect(await result.get(soon)).toBe(5)
    await expect.poll(() => ran.length).toBe(2)
    expect(ran.toSorted()).toEqual([
      ['a', 5, true, true],
      ['b', 5, true, true],
    ])
    ran.length = 0
    await app.sendTask('work', { link: note('alone') })
    await expect.poll(() => ran).toEqual([['alone', 5, true, false]])
    expect(stored).toEqual(['onSuccess', 'onSuccess'])
  })

  it('TASK-73: afterReturn for SUCCESS and FAILURE alone', async () => {
    const states: string[] = []
    const app = await start((app) => {
      app.task(
        'end',
        { bind: true, afterReturn: (state) => void states.push(state) },
        (task, how: string) => {
          if (how === 'ignore') throw new Ignore()
          if (how === 'reject') throw new Reject('no', false)
          if (how === 'fail') throw new Error('x')
          if (how === 'retry' && task.request.retries === 0) throw task.retry({ countdown: 0 })
          return how
        },
      )
    })
    for (const how of ['ignore', 'reject', 'retry', 'ok']) await app.sendTask('end', { args: [how] })
    const failed = await app.sendTask('end', { args: ['fail'] })
    await expect(failed.get(soon)).rejects.toThrow('x')
    await expect.poll(() => states.toSorted()).toEqual(['FAILURE', 'SUCCESS', 'SUCCESS'])
  })

  it('TASK-98: a retry of a task called as a function raises what went wrong', async () => {
    const app = await start((app) => {
      app.task('again', { bind: true }, (task) => {
        throw task.retry({ exc: new RangeError('mine') })
      })
    })
    const again = app.tasks.get('again') as unknown as () => unknown
    expect(() => again()).toThrow('mine')
  })

  it('TASK-99: a retry that is not thrown is not sent, and the task’s end is its own', async () => {
    const app = await start((app) => {
      app.task('kept', { bind: true }, (task) => {
        const retry = task.retry({ countdown: 0 })
        return retry.name
      })
    })
    expect(await (await app.sendTask('kept')).get(soon)).toBe('Retry')
  })

  it('TASK-103: RETRY is stored with its cause until the task ends', async () => {
    const looked = Promise.withResolvers<void>()
    const app = await start((app) => {
      app.task('again', { bind: true }, async (task) => {
        if (task.request.retries === 0) throw task.retry({ exc: new RangeError('why'), countdown: 0 })
        await looked.promise
        return 'done'
      })
    })
    const result = await app.sendTask('again')
    await expect.poll(() => result.state()).toBe('RETRY')
    expect((await app.context.results.getMeta(result.id)).result).toMatchObject({ exc_message: ['why'] })
    looked.resolve()
    expect(await result.get(soon)).toBe('done')
  })
})
