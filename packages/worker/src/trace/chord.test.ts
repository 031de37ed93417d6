/** The completing of chords against a scripted store: claims, counters, what is called in which order. */
import { createApp } from '@ct/client'
import { BackendUnavailableError, ChordError, type ChordProgress, type SignatureSource } from '@ct/contracts'
import { describe, expect, it } from 'vitest'
import type { ChordMember } from './chord-member.ts'
import { reportPart } from './chord.ts'
import type { TraceServices } from './ports.ts'

const body: SignatureSource = {
  task: 'body',
  args: [],
  kwargs: {},
  options: { task_id: 'body-id', link_error: [] },
  subtask_type: null,
  immutable: false,
}
const member: ChordMember = { taskId: 't1', rootId: 'r', groupId: 'g', groupIndex: 0, chord: body }

interface Script {
  readonly kind: 'native' | 'counter'
  readonly progress?: readonly (ChordProgress | Error)[]
  readonly parts?: readonly (readonly [state: string, value: unknown])[]
  readonly claim?: boolean
  readonly publish?: Error
  readonly count?: number
  /** How many have ended the chord before. */
  readonly ended?: number
  readonly group?: 'missing' | 'broken' | readonly string[]
  readonly members?: Readonly<Record<string, readonly [status: string, result: unknown]>>
  /** The worker stops: waiting is over. */
  readonly stops?: boolean
  /** So many times the store is away before a member is read. */
  away?: number
  /** So many times it is away before any member is read. */
  awayAtOnce?: number
}

async function run(
  script: Script,
  state = 'SUCCESS',
  value: unknown = 1,
  reporting: ChordMember = member,
  seen: string[] = [],
): Promise<string[]> {
  let ready = false
  const progress = [...(script.progress ?? [])]
  const logger = {
    debug: () => {},
    info: () => {},
    warn: () => {},
    error: () => {},
    critical: () => {},
    child: () => logger,
  }
  const services = {
    app: createApp({ logger }),
    defaults: 'ct',
    chordJoinTimeout: 0.05,
    publishBoundMs: 21_000,
    task: () => undefined,
    log: { ...logger, infoEnabled: false, debugEnabled: false },
    pause: () => Promise.resolve(script.stops !== true),
    sender: {
      call: (
        _signature: unknown,
        call: { args: readonly unknown[]; parentId: string; priority?: number },
      ) => {
        if (script.publish !== undefined) return Promise.reject(script.publish)
        const priority = call.priority === undefined ? '' : ` priority ${call.priority}`
        seen.push(`body ${JSON.stringify(call.args[0])} parent ${call.parentId}${priority}`)
        return Promise.resolve({ id: 'body-id', parent: null, children: null })
      },
    },
    results: {
      enabled: true,
      encode: (subject: { taskId: string }, { state, result }: { state: string; result: Error }) => ({
        taskId: subject.taskId,
        text: `${state} ${subject.taskId} ${result.message}`,
      }),
      store: (writes: readonly { text: string }[]) => {
        for (const { text } of writes) seen.push(`store ${text}`)
        return Promise.resolve()
      },
      meta: (id: string) => {
        if ((script.awayAtOnce ?? 0) > 0) {
          script.awayAtOnce!--
          return Promise.reject(new BackendUnavailableError('away'))
        }
        if (ready && (script.away ?? 0) > 0) {
          script.away!--
          return Promise.reject(new BackendUnavailableError('away'))
        }
        const known = script.members?.[id]
        if (id === 'b') ready = true
        return Promise.resolve(known === undefined ? undefined : { status: known[0], result: known[1] })
      },
      errorOf: ({ result }: { result: unknown }) => result,
    },
    chords: {
      kind: script.kind,
      expiresInMs: 1000,
      encodePart: (taskId: string, state: string) => new TextEncoder().encode(`${taskId} ${state}`),
      decodePart: (part: Uint8Array) => {
        const [state, value] = script.parts![part[0]!]!
        return { taskId: `t${part[0]}`, state, value }
      },
      savedGroup: () => {
        if (script.group === 'broken') return Promise.reject(new Error('unreadable'))
        if (script.group === undefined || script.group === 'missing') return Promise.resolve(undefined)
        return Promise.resolve({
          id: 'g',
          parent: null,
          children: script.group.map((id) => ({ id, parent: null, children: null })),
        })
      },
      forgetGroup: () => {
        seen.push('forget group')
        return Promise.resolve()
      },
      counter: () =>
        Promise.resolve({
          increment: (key: string) =>
            Promise.resolve(key === 'g.done' ? (script.ended ?? 0) + 1 : script.count),
          remove: (key: string) => {
            seen.push(key === 'g.done' ? 'let go' : 'remove counter')
            return Promise.resolve()
          },
        }),
      native: () =>
        Promise.resolve({
          record: ({ claimMs }: { claimMs: number }) => {
            const next = progress.shift()
            seen.push(`record claim ${claimMs}`)
            return next instanceof Error ? Promise.reject(next) : Promise.resolve(next)
          },
          parts: () => Promise.resolve(script.parts!.map((_, index) => new Uint8Array([index]))),
          extendClaim: ({ claimMs }: { claimMs: number }) => {
            seen.push(`extend ${claimMs}`)
            return Promise.resolve(script.claim ?? true)
          },
          finish: ({ doneMs }: { doneMs: number }) => {
            seen.push(`finish ${doneMs}`)
            return Promise.resolve()
          },
          fail: () => {
            seen.push('fail')
            return Promise.resolve()
          },
        }),
    },
  } as unknown as TraceServices
  await reportPart(services, reporting, state, value)
  return seen
}

const complete: ChordProgress = { state: 'complete', count: 2, total: 2, token: 'token' }

describe('a store that counts', () => {
  it('D57-2: an open chord and a closed one need nothing more', async () => {
    expect(await run({ kind: 'native', progress: [{ state: 'open', count: 1, total: 2 }] })).toEqual([
      'record claim 5000',
    ])
    expect(await run({ kind: 'native', progress: [{ state: 'closed' }] })).toEqual(['record claim 5000'])
  })

  it('D57-3, D57-4: who completes it joins, extends the claim, publishes, and marks it done', async () => {
    const parts = [
      ['SUCCESS', 1],
      ['SUCCESS', 'x'],
    ] as const
    expect(await run({ kind: 'native', progress: [complete], parts })).toEqual([
      'record claim 5000',
      'extend 21000',
      'body [1,"x"] parent t1',
      'finish 300000',
    ])
  })

  it('D57-3: with the claim lost nothing is published', async () => {
    const parts = [['SUCCESS', 1]] as const
    expect(await run({ kind: 'native', progress: [complete], parts, claim: false })).toEqual([
      'record claim 5000',
      'extend 21000',
    ])
  })

  it('D57-3, PAIN-16: a part that came again waits for the claimant, and takes over when he is dead', async () => {
    const parts = [['SUCCESS', 1]] as const
    const claimed: ChordProgress = { state: 'claimed', retryInMs: 10 }
    expect(await run({ kind: 'native', progress: [claimed, complete], parts })).toContain(
      'body [1] parent t1',
    )
    expect(await run({ kind: 'native', progress: [claimed, { state: 'closed' }], parts })).toEqual([
      'record claim 5000',
      'record claim 5000',
    ])
  })

  it('D57-5: a failed member fails the body, then the chord', async () => {
    const parts = [
      ['SUCCESS', 1],
      ['FAILURE', new TypeError('no')],
    ] as const
    expect(await run({ kind: 'native', progress: [complete], parts })).toEqual([
      'record claim 5000',
      "store FAILURE body-id Dependency t1 raised TypeError('no')",
      'fail',
    ])
  })

  it('D57-4, D57-62: a body that cannot be published fails, and the chord is done', async () => {
    const parts = [['SUCCESS', 1]] as const
    expect(await run({ kind: 'native', progress: [complete], parts, publish: new Error('refused') })).toEqual(
      [
        'record claim 5000',
        'extend 21000',
        "store FAILURE body-id Callback error: Exception('refused')",
        'finish 300000',
      ],
    )
  })

  it('CANVAS-77: a saved group is joined by its members’ documents, nested as it is', async () => {
    const members = { a: ['SUCCESS', 1], b: ['SUCCESS', [2]] } as const
    expect(
      await run({ kind: 'native', progress: [complete], parts: [], group: ['a', 'b'], members }),
    ).toContain('body [1,[2]] parent t1')
  })

  it('CANVAS-70, D57-81: of a saved group whose member is a chord that failed, its error is the body’s, as it is', async () => {
    const group = ['a', 'b']
    const failed = async (error: Error): Promise<unknown> => {
      const members = { a: ['SUCCESS', 1], b: ['FAILURE', error] } as const
      return (await run({ kind: 'native', progress: [complete], parts: [], group, members }))[1]
    }
    const inner = 'Dependency x raised ValueError()'
    expect(await failed(new ChordError(inner))).toBe(`store FAILURE body-id ${inner}`)
    expect(await failed(new TypeError('no'))).toBe("store FAILURE body-id Join error: TypeError('no')")
  })

  it('RES-72: a member that is not ready in time is a join error', async () => {
    const seen = await run({
      kind: 'native',
      progress: [complete],
      parts: [],
      group: ['a', 'gone'],
      members: { a: ['SUCCESS', 1] },
    })
    expect(seen[1]).toMatch(/^store FAILURE body-id Join error: /)
    expect(seen[2]).toBe('fail')
  })

  it('RES-72: a worker that stops while it waits for a member fails no chord: who gets the part again goes on', async () => {
    const stopped = run({
      kind: 'native',
      progress: [complete],
      parts: [],
      group: ['a', 'late'],
      members: { a: ['SUCCESS', 1] },
      stops: true,
    })
    await expect(stopped).rejects.toMatchObject({ code: 'CT_BACKEND_UNAVAILABLE' })
  })

  it('recording is tried again until the store answers', async () => {
    const progress = [
      new BackendUnavailableError('away'),
      new BackendUnavailableError('away'),
      { state: 'closed' },
    ] as const
    expect(await run({ kind: 'native', progress })).toHaveLength(3)
  })
})

describe('a store with a counter', () => {
  const members = { a: ['SUCCESS', 1], b: ['SUCCESS', 2] } as const

  it('CANVAS-68, BACK-16: the last member joins and clears up', async () => {
    expect(await run({ kind: 'counter', count: 1, group: ['a', 'b'], members })).toEqual([])
    expect(await run({ kind: 'counter', count: 2, group: ['a', 'b'], members })).toEqual([
      'body [1,2] parent t1',
      'forget group',
      'remove counter',
    ])
  })

  it('D57-150: parts that come again count, and change nothing', async () => {
    const waiting = { a: ['SUCCESS', 1], b: ['STARTED', null] } as const
    // The same member twice: the count is full, the chord is not.
    expect(await run({ kind: 'counter', count: 2, group: ['a', 'b'], members: waiting })).toEqual([])
    expect(await run({ kind: 'counter', count: 3, group: ['a', 'b'], members })).toContain(
      'body [1,2] parent t1',
    )
    expect(await run({ kind: 'counter', count: 3, ended: 1, group: ['a', 'b'], members })).toEqual([])
    // Late, when all is cleared up: the body, which may run, is left alone.
    expect(await run({ kind: 'counter', ended: 1, group: 'missing' })).toEqual([])
  })

  it('CANVAS-68: a store that is away while the members are read is waited for', async () => {
    expect(await run({ kind: 'counter', count: 2, group: ['a', 'b'], members, away: 2 })).toContain(
      'body [1,2] parent t1',
    )
  })

  it('CANVAS-68, D57-62: a worker that stops before the body is published leaves the chord to who gets the part again', async () => {
    const publish = new BackendUnavailableError('away')
    const script = { kind: 'counter', count: 2, group: ['a', 'b'], members, publish, stops: true } as const
    const seen: string[] = []
    await expect(run(script, 'SUCCESS', 1, member, seen)).rejects.toBe(publish)
    expect(seen).toEqual(['let go'])
  })

  it('CANVAS-68: a store that is away while it is asked whether all have ended is waited for', async () => {
    const script = { kind: 'counter', count: 2, group: ['a', 'b'], members, awayAtOnce: 2 } as const
    expect(await run(script)).toContain('body [1,2] parent t1')
  })

  it('canvas §7.3: a body’s own priority is not that of the member that completes it', async () => {
    const own = { ...body, options: { ...body.options, priority: 9 } }
    const parts = [['SUCCESS', 1]] as const
    const script = { kind: 'native', progress: [complete], parts } as const
    const inherits = (chord: SignatureSource): Promise<string[]> =>
      run(script, 'SUCCESS', 1, { ...member, chord, priority: 3 })
    expect(await inherits(body)).toContain('body [1] parent t1 priority 3')
    expect(await inherits(own)).toContain('body [1] parent t1')
  })

  it('canvas §7.4: failures have Celery’s words', async () => {
    expect(await run({ kind: 'counter', group: 'missing' })).toEqual([
      'store FAILURE body-id GroupResult g no longer exists',
    ])
    expect(await run({ kind: 'counter', group: 'broken' })).toEqual([
      "store FAILURE body-id Cannot restore group: Exception('unreadable')",
    ])
    const failed = { a: ['SUCCESS', 1], b: ['FAILURE', new RangeError('no')] } as const
    expect(await run({ kind: 'counter', count: 2, group: ['a', 'b'], members: failed })).toEqual([
      "store FAILURE body-id ValueError('no')",
      'forget group',
      'remove counter',
    ])
  })
})
