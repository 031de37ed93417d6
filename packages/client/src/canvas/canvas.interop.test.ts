/** Canvases built here and worked by Python: each row is sent to a real Celery and its result compared; messages in Redis or RabbitMQ, results in Redis. */
import { freshRedis, freshVhost, tryServices, type Fresh } from '@ct-tools/services'
import { python, startPythonWorker, tryPython, type PythonClient, type PythonWorker } from '@ct-tools/interop'
import { amqp } from '@ct/broker-amqp'
import { redis } from '@ct/broker-redis'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { App } from '../app/index.ts'
import { createApp } from '../app/index.ts'
import { chain, chord, group, signatureFromDict } from './index.ts'
import type { AnySignature, Signature } from './index.ts'

const untyped = (...steps: readonly AnySignature[]): Signature =>
  (chain as (...steps: readonly AnySignature[]) => Signature)(...steps)

const fleets = [
  { version: '5.7', broker: 'Redis' },
  { version: '5.4', broker: 'Redis' },
  { version: '5.7', broker: 'RabbitMQ' },
  { version: '5.4', broker: 'RabbitMQ' },
] as const

for (const { version, broker } of fleets) {
  const onRabbit = broker === 'RabbitMQ'
  const present = (await tryServices(onRabbit ? ['redis', 'rabbitmq'] : ['redis'])) !== undefined
  const ready = present && (await tryPython(version))
  describe.skipIf(!ready)(`canvases worked by Celery ${version} on ${broker}`, () => {
    let server: Fresh
    let line: Fresh
    let worker: PythonWorker
    let client: PythonClient
    let app: App

    beforeAll(async () => {
      server = await freshRedis()
      line = onRabbit ? await freshVhost() : server
      const settings = { broker: line.url, backend: server.url }
      ;[worker, client] = await Promise.all([
        startPythonWorker({ version, ...settings, concurrency: 4 }),
        python(version, settings),
      ])
      app = createApp({
        broker: line.url,
        backend: server.url,
        adapters: [amqp, redis],
        environment: {},
      })
    })
    afterAll(async () => {
      await app?.close()
      await client?.close()
      await worker?.[Symbol.asyncDispose]()
      if (line !== server) await line?.release()
      await server?.release()
    })

    const sig = (name: string, ...args: readonly unknown[]): AnySignature =>
      app.signature(`interop_tasks.${name}`, { args })
    const add = (...args: readonly unknown[]): AnySignature => sig('add', ...args)
    const xsum = (): AnySignature => sig('xsum')
    const value = async (canvas: AnySignature, ...call: readonly unknown[]): Promise<unknown> => {
      const handle = (await (canvas as Signature).applyAsync(...(call as []))) as {
        get(options: object): Promise<unknown>
      }
      return await handle.get({ timeoutMs: 20_000 })
    }

    it('CANVAS-20…31: chains', async () => {
      expect(await value(untyped(add(1, 2), add(3), add(4)))).toBe(10)
      expect(await value(untyped(add(1), add(3)), [10])).toBe(14)
      expect(
        await value(
          untyped(add(1, 2), app.signature('interop_tasks.add', { args: [3, 3], immutable: true }), add(4)),
        ),
      ).toBe(10)
      expect(await value(untyped(add(1, 1)))).toBe(2)
    })

    it('CANVAS-40…43: groups', async () => {
      expect(await value(group([add(1, 1), add(2, 2)]))).toEqual([2, 4])
      expect(await value(group([untyped(add(1, 1), add(10)), add(2, 2)]))).toEqual([12, 4])
      expect(await value(group([add(1, 1), group([add(2, 2), add(3, 3)]), add(4, 4)]))).toEqual([2, 4, 6, 8])
      function* members(): Generator<AnySignature> {
        for (let n = 0; n < 3; n++) yield add(n, 1)
      }
      expect(await value(group(members()))).toEqual([1, 2, 3])
      expect(await value(untyped(add(1, 1), group([add(10), add(20)])))).toEqual([12, 22])
    })

    it('CANVAS-65, CANVAS-25…27: chords and what follows them', async () => {
      expect(await value(chord([add(1, 1), add(2, 2)], xsum()))).toBe(6)
      expect(await value(chord([add(1), add(2)], xsum()), [10])).toBe(23)
      expect(await value(chord([], xsum()))).toBe(0)
      expect(await value(untyped(group([add(1, 1), add(2, 2)]), xsum(), add(100)))).toBe(106)
      expect(await value(chord([add(1, 1), add(2, 2)], untyped(xsum(), add(100), add(1))))).toBe(107)
      expect(await value(untyped(group([add(1, 1), add(2, 2)]), group([xsum(), sig('identity')])))).toEqual([
        6,
        [2, 4],
      ])
      expect(await value(untyped(group([add(1, 1), add(2, 2)]), group([xsum(), xsum()]), xsum()))).toBe(12)
      const first = (): AnySignature => chord([add(1, 1), add(2, 2)], xsum())
      expect(await value(untyped(first(), chord([add(1), add(2)], xsum())))).toBe(15)
      expect(await value(untyped(first(), group([add(10), add(20)])))).toEqual([16, 26])
      expect(await value(untyped(first(), group([add(10), add(20)]), xsum()))).toBe(42)
    })

    const fan = (): AnySignature => group([add(10), add(20)])
    const sum = (): AnySignature => chord([add(1), add(2)], xsum())
    const nested: readonly (readonly [string, () => AnySignature, unknown])[] = [
      ['task, group, task', () => untyped(add(1, 1), fan(), xsum()), 34],
      ['task, group, task, task', () => untyped(add(1, 1), fan(), xsum(), add(5)), 39],
      ['task, group, group, task', () => untyped(add(1, 1), fan(), group([xsum(), xsum()]), xsum()), 68],
      ['task, chord, chord', () => untyped(add(1, 1), sum(), sum()), 17],
      ['a chain in a header', () => chord([untyped(add(1, 1), add(10)), add(2, 2)], xsum()), 16],
      ['a chord in a header', () => chord([chord([add(1, 1), add(2, 2)], xsum()), add(3, 3)], xsum()), 12],
      [
        'a group in a header',
        () => chord([group([add(1, 1), add(2, 2)]), add(3, 3)], sig('identity')),
        [4, 2, 6],
      ],
      [
        'a pipeline in a header',
        () => untyped(add(1, 1), group([untyped(add(1), group([add(1), add(2)]), xsum()), add(5)]), xsum()),
        16,
      ],
    ]
    it.each(nested)('CANVAS-21, D57-40: %s', async (_name, canvas, expected) => {
      expect(await value(canvas())).toEqual(expected)
    })

    it('CANVAS-50…52: map, starmap and chunks', async () => {
      const task = app.task('interop_tasks.add', (x: number, y: number) => x + y)
      try {
        expect(
          await value(
            task.starmap([
              [1, 2],
              [3, 4],
            ]),
          ),
        ).toEqual([3, 7])
        expect(
          await value(
            task.chunks(
              [
                [1, 2],
                [3, 4],
                [5, 6],
              ],
              2,
            ),
          ),
        ).toEqual([[3, 7], [11]])
        expect(
          await value(
            untyped(
              task.chunks(
                [
                  [1, 2],
                  [3, 4],
                  [5, 6],
                ],
                2,
              ),
              sig('identity'),
            ),
          ),
        ).toEqual([[3, 7], [11]])
      } finally {
        app.tasks.unregister('interop_tasks.add')
      }
    })

    it('CANVAS-34, CANVAS-70: failures reach the handle of the end', async () => {
      const failing = untyped(add(1, 1), sig('fail'), add(4))
      await expect(value(failing)).rejects.toMatchObject({ name: 'ValueError' })
      const body = await (chord([add(1, 1), sig('fail', 'on purpose')], xsum()) as Signature).applyAsync()
      await expect(body.get({ timeoutMs: 20_000 })).rejects.toThrow(/on purpose/)
      await expect.poll(async () => await body.state(), { timeout: 20_000 }).toBe('FAILURE')
    })

    it('CANVAS-60, CANVAS-32: links', async () => {
      const canvas = untyped(add(1, 1), add(2))
      const callback = add(100)
      callback.freeze('callback-' + version)
      canvas.link(callback)
      await value(canvas)
      expect(await app.asyncResult('callback-' + version).get({ timeoutMs: 20_000 })).toBe(104)
    })

    it('CANVAS-1: Python reads our signatures as its own', async () => {
      const canvases = [
        add(1, 2).set({ queue: 'q', countdown: 3, priority: 2 }),
        untyped(add(1, 2), add(3)),
        group([add(1, 1), add(2, 2)]),
        chord([add(1, 1)], xsum()),
        untyped(add(1, 1), group([add(1), add(2)]), xsum()),
      ]
      for (const canvas of canvases) {
        const ours = JSON.parse(JSON.stringify(canvas)) as object
        const theirs = await client.exec<object>(
          'import json\njson.loads(json.dumps(signature(source, app=app)))',
          { source: ours },
        )
        expect(JSON.parse(JSON.stringify(signatureFromDict(app, theirs)))).toEqual(ours)
      }
    })

    it.each([
      ['add.s(1, 2) | add.s(3)', 6],
      ['group(add.s(1, 1), add.s(2, 2))', [2, 4]],
      ['chord([add.s(1, 1), add.s(2, 2)], xsum.s())', 6],
      ['add.s(1, 1) | group(add.s(10), add.s(20)) | xsum.s() | add.s(5)', 39],
      ['group(add.s(1, 1), add.s(2, 2)) | group(xsum.s(), xsum.s()) | xsum.s()', 12],
      ['chord([add.s(1, 1) | add.s(10), add.s(2, 2)], xsum.s() | add.s(1))', 17],
      ['add.chunks([(1, 2), (3, 4), (5, 6)], 2).group() | identity.s()', [[3, 7], [11]]],
    ])('CANVAS-3: sends what Python built: %s', async (source, expected) => {
      const dict = await client.exec<object>(`import json\njson.loads(json.dumps(${source}))`)
      expect(await value(signatureFromDict(app, dict))).toEqual(expected)
    })
  })
}
