import { freshRedis, freshVhost, isAlive, tryServices, type Fresh } from '@ct-tools/services'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { runCelery } from './celery-command.ts'
import { type PythonClient, PythonError, python } from './python-client.ts'
import { type PythonApp, PYTHON_VERSIONS, tryPython } from './python-environment.ts'
import { type PythonWorker, startPythonWorker } from './python-worker.ts'

const ready = await tryPython()
const brokers = {
  redis: { present: (await tryServices(['redis'])) !== undefined, fresh: freshRedis },
  rabbitmq: { present: (await tryServices(['rabbitmq'])) !== undefined, fresh: freshVhost },
}

for (const version of PYTHON_VERSIONS) {
  for (const [name, { present, fresh }] of Object.entries(brokers)) {
    describe.skipIf(!ready || !present)(`Celery ${version} on ${name}`, () => {
      let broker: Fresh
      let app: PythonApp
      let worker: PythonWorker
      let client: PythonClient

      beforeAll(async () => {
        broker = await fresh()
        app = { broker: broker.url, backend: name === 'redis' ? broker.url : 'rpc://' }
        ;[worker, client] = await Promise.all([startPythonWorker({ version, ...app }), python(version, app)])
      })

      afterAll(async () => {
        await client.close()
        await worker[Symbol.asyncDispose]()
        await broker.release()
      })

      it('calls a task and gets its result', async () => {
        expect(await client.exec('add.delay(2, 3).get(timeout=10)')).toBe(5)
        expect(await client.get(await client.send('interop_tasks.echo', ['ä'], { b: [null] }))).toEqual({
          args: ['ä'],
          kwargs: { b: [null] },
        })
      })

      it('gets exceptions as such', async () => {
        const id = await client.send('interop_tasks.fail', ['on purpose'])
        const failure = await client.get(id).catch((error: unknown) => error)
        expect(failure).toBeInstanceOf(PythonError)
        expect(failure).toMatchObject({ type: 'ValueError', message: 'ValueError: on purpose' })
      })

      it('runs retries and a chain', async () => {
        expect(await client.exec('retry_then_succeed.delay(2).get(timeout=10)')).toBe(2)
        expect(await client.get(await client.apply('chain(add.s(1, 2), mul.s(10))'))).toBe(30)
      })

      // Over rpc:// no result of a replaced task reaches its caller: Celery does not pass on where to reply to.
      if (name === 'redis') {
        it('runs a task that replaces itself', async () => {
          expect(await client.exec('replace_with_add.delay(4, 5).get(timeout=10)')).toBe(9)
        })
      }

      it('answers remote control, from the client and from the command line', async () => {
        expect(await client.inspect('ping')).toEqual({ [worker.nodename]: { ok: 'pong' } })
        const { code, stdout } = await runCelery(version, ['inspect', 'registered'], app)
        expect(code).toBe(0)
        expect(stdout).toContain('interop_tasks.add')
      })

      it('publishes and takes raw messages', async () => {
        const body = Buffer.from([0xff, 0x00, 0x80])
        const settings = {
          content_type: 'application/data',
          content_encoding: 'binary',
          headers: { kind: 'raw' },
        }
        await client.exec(`Queue('raw')(app.connection_for_write().default_channel).declare()`)
        await client.publish(body, { routing_key: 'raw', ...settings })
        const [message] = await client.drain('raw')
        expect(message).toMatchObject({ body, headers: { kind: 'raw' }, content_type: 'application/data' })
      })

      it('collects events', async () => {
        await client.exec('app.control.enable_events(reply=True)')
        const events = await client.events(
          () => client.exec('add.delay(1, 1).get(timeout=10)'),
          (seen) => seen.some(({ type }) => type === 'task-succeeded'),
        )
        expect(events.map(({ type }) => type)).toEqual(
          expect.arrayContaining(['task-received', 'task-succeeded']),
        )
      })
    })
  }
}

describe.skipIf(!ready || !brokers.redis.present)('helpers', () => {
  let redis: Fresh
  beforeAll(async () => {
    redis = await freshRedis()
  })
  afterAll(() => redis.release())

  it('runs a chord on Redis and shows its keys', async () => {
    const app = { broker: redis.url, backend: redis.url, config: { task_default_queue: 'chords' } }
    await using client = await python('5.7', app)
    const id = await client.apply('chord([add.s(1, 1), add.s(2, 2)], xsum.s())')
    const before = await client.redisDump()
    expect(before['chords']).toMatchObject({
      type: 'list',
      ttl: -1,
      value: [expect.any(String), expect.any(String)],
    })
    await using _worker = await startPythonWorker({ version: '5.7', ...app, concurrency: 2 })
    expect(await client.get(id)).toBe(6)
    expect(await client.meta(id)).toMatchObject({ status: 'SUCCESS', result: 6, task_id: id })
  })

  it('runs what a test brings along: setup source, queues, records', async () => {
    const app = {
      broker: redis.url,
      setup: `
@app.task(name='own.task')
def own(x):
    record(own=x)
`,
    }
    await using worker = await startPythonWorker({ version: '5.7', ...app, queues: ['own'], pool: 'solo' })
    await using client = await python('5.7', app)
    await client.send('own.task', [{ a: 1 }], {}, { queue: 'own' })
    await worker.waitForLog(/Task own\.task\[.*\] succeeded/)
    expect(worker.records).toEqual([{ own: { a: 1 } }])
    expect(await worker.stop()).toBe(0)
    expect(worker.log).toContain('Warm shutdown')
  })

  it('kills, freezes and leaves nothing behind', async () => {
    const app = { broker: redis.url, backend: redis.url, config: { task_default_queue: 'killed' } }
    await using client = await python('5.7', app)
    const worker = await startPythonWorker({ version: '5.7', ...app })
    const pid = await client.exec<number>('pid.delay().get(timeout=10)')
    expect(await isAlive(pid)).toBe(true)
    worker.pause()
    expect(await client.inspect('ping', [], { timeout: 0.3 })).toBeNull()
    worker.resume()
    await client.exec(`wait_for(lambda: inspect('ping', timeout=0.3))`)
    await worker[Symbol.asyncDispose]()
    expect(worker.isRunning).toBe(false)
    await expect.poll(() => isAlive(pid)).toBe(false)
  })

  it('says why Python did not start', async () => {
    await expect(python('5.7', { setup: 'raise RuntimeError("setup is wrong")' })).rejects.toThrow(
      'setup is wrong',
    )
    const wrong = startPythonWorker({ version: '5.7', broker: redis.url, args: ['--no-such-option'] })
    await expect(wrong).rejects.toThrow('No such option')
  })

  it('gives up on Python that does not answer', async () => {
    await using client = await python('5.7', {})
    expect(await client.exec('print("not an answer")\n1 + 1')).toBe(2)
    await expect(client.exec('time.sleep(60)', {}, 100)).rejects.toThrow('no answer within 100 ms')
    await expect(client.exec('1')).rejects.toThrow('the client has ended')
  })

  it('carries bytes both ways', async () => {
    await using client = await python('5.4', {})
    const bytes = Uint8Array.from([0, 255, 128])
    expect(await client.exec('[type(b).__name__, b]', { b: bytes })).toEqual(['bytes', Buffer.from(bytes)])
  })
})
