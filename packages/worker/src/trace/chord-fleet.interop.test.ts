/** Chords whose members run on ct, on Celery 5.7 and on Celery 5.4 at once: whoever reports last, the body runs once (docs: decision 16). */
import { tryPython, type PythonClient } from '@ct-tools/interop'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { PythonFleet } from '../../test/python-fleet.ts'

const ready = await tryPython('5.7', '5.4')
const queues = ['ct', 'py57', 'py54'] as const

describe.skipIf(!ready)('chords in a fleet of ct, Celery 5.7 and Celery 5.4', () => {
  let fleet: PythonFleet
  let client: PythonClient
  let old: PythonClient
  const bodies: string[] = []

  beforeAll(async () => {
    fleet = await PythonFleet.open('redis')
    const { app } = fleet
    app.task('interop_tasks.add', (x: number, y: number) => x + y)
    app.task('interop_tasks.fail', () => {
      throw new RangeError('no')
    })
    app.task('ct.body', { bind: true, params: ['numbers'] }, (task, numbers: number[]) => {
      bodies.push(task.request.id)
      return numbers
    })
    ;[client, old] = await Promise.all([
      fleet.client('5.7'),
      fleet.client('5.4'),
      fleet.peer({ version: '5.7', queues: ['py57', 'celery'] }),
      fleet.peer({ version: '5.4', queues: ['py54'] }),
      fleet.work({ hostname: 'ct@mixed', queues: ['ct'], withoutHeartbeat: true }),
    ])
  })
  afterAll(() => fleet?.close())

  /** Every order of who is slow, so that each of the three reports last. */
  const slowest = queues.flatMap((last) => (['client', 'old'] as const).map((sender) => ({ last, sender })))

  it.each(slowest)(
    'CANVAS-77, D57-8: $last reports last, sent by the $sender client',
    async ({ last, sender }) => {
      const members = queues
        .map((queue, n) => `add.s(${n}, 1).set(queue="${queue}"${queue === last ? ', countdown=0.4' : ''})`)
        .join(', ')
      const id = await (sender === 'old' ? old : client).apply(
        `chord([${members}], signature("ct.body", app=app).set(queue="ct"))`,
      )
      expect(await client.get(id)).toEqual([1, 2, 3])
      expect(bodies.filter((one) => one === id)).toHaveLength(1)
    },
  )

  it.each(slowest)(
    'CANVAS-21, D57-40: a chord behind a step that $last runs, sent by the $sender client',
    async ({ last, sender }) => {
      const id = await (sender === 'old' ? old : client).apply(
        `add.s(1, 1).set(queue="${last}") | group(${queues.map((queue) => `add.s(10).set(queue="${queue}")`).join(', ')}) | signature("ct.body", app=app).set(queue="ct") | identity.s()`,
      )
      expect(await client.get(id)).toEqual([12, 12, 12])
    },
  )

  it('CANVAS-70: a member that fails on ct, fails the body wherever the last part comes from', async () => {
    for (const last of queues) {
      const id = await client.apply(
        `chord([fail.s().set(queue="ct"), add.s(1, 1).set(queue="${last}", countdown=0.3)], signature("ct.body", app=app).set(queue="ct"))`,
      )
      await expect.poll(async () => (await client.meta(id)).status).toBe('FAILURE')
      expect(JSON.stringify((await client.meta(id)).result)).toMatch(/Dependency .* raised ValueError/)
    }
  })

  it('CANVAS-70: a member that ct found too late in a chain fails the body, also where Celery ends the chord', async () => {
    // A group in the header: Celery reads the members' documents, and takes one that is not there for done.
    const id = await client.apply(
      `chord([
        add.s(1, 1).set(queue="ct", expires=-1) | add.s(1).set(queue="ct"),
        chord([], group(add.si(1, 1).set(queue="py57", countdown=0.4), add.si(1, 2).set(queue="py57", countdown=0.4))),
      ], signature("ct.body", app=app).set(queue="ct"))`,
    )
    await expect.poll(async () => (await client.meta(id)).status, { timeout: 8000 }).toBe('FAILURE')
    expect(JSON.stringify((await client.meta(id)).result)).toMatch(
      /Join error: TaskRevokedError\('expired'\)/,
    )
    expect(bodies).not.toContain(id)
  })

  it.each(queues)(
    'CANVAS-68, D57-85: celery.chord_unlock run on %s, for members of both languages',
    async (queue) => {
      const id = await client.exec<string>(
        `
      _members = [add.s(n, 1).set(queue=q) for n, q in enumerate(['ct', 'py57', 'py54'])]
      _results = [m.apply_async().as_tuple() for m in _members]
      _body = signature('ct.body', app=app).set(queue='ct')
      _frozen = _body.freeze()
      app.send_task('celery.chord_unlock', args=['unlock-' + queue, _body],
                    kwargs={'interval': 0.1, 'max_retries': None, 'result': _results}, queue=queue, ignore_result=True)
      _frozen.id
      `,
        { queue },
      )
      expect(await client.get(id)).toEqual([1, 2, 3])
      expect(bodies.filter((one) => one === id)).toHaveLength(1)
    },
  )
})
