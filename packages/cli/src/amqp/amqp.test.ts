import { Readable } from 'node:stream'
import { memoryBroker } from '@ct/broker-memory'
import type { Broker } from '@ct/contracts'
import { afterAll, afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { ct, ctWith, memoryApp, type Ran } from '../fixtures/run-ct.ts'
import { splitWords } from './split-words.ts'

beforeEach(() => {
  vi.stubEnv('CELERY_BROKER_URL', '')
  vi.stubEnv('FORCE_COLOR', '')
})
afterEach(() => vi.unstubAllEnvs())

let hubs = 0
const hub = (): string => `memory://amqp-${++hubs}`

async function shell(broker: string, ...lines: readonly string[]): Promise<Ran> {
  return await ctWith({ stdin: Readable.from(lines.map((line) => `${line}\n`)) }, '-b', broker, '-q', 'amqp')
}

describe('ct amqp', () => {
  it('CLI-32: a shell with Celery’s commands, arguments and answers', async () => {
    const ran = await shell(
      hub(),
      'queue.declare q1',
      'exchange.declare x1 topic no yes',
      'queue.bind q1 x1 a.*',
      'basic.publish "hello there" x1 a.b',
      "basic.publish 'never there' x1 b",
      'basic.publish second "" q1',
      'queue.declare q1 true',
      'basic.get q1',
      'basic.get q1 yes',
      'basic.get q1',
      'basic.ack 1',
      'queue.declare q1 true',
      'queue.delete q1',
      'exchange.delete x1',
    )
    expect(ran.err).toBe('')
    expect(ran.exitCode).toBe(0)
    const [first = '', second = ''] = ran.out.match(/\{[^]*?\n\}/g) ?? []
    expect(JSON.parse(first)).toMatchObject({
      body: 'hello there',
      properties: { content_type: 'text/plain', delivery_mode: 2 },
      delivery_info: { delivery_tag: 1, exchange: 'x1', routing_key: 'a.b', redelivered: false },
    })
    expect(JSON.parse(second)).toMatchObject({ body: 'second', delivery_info: { delivery_tag: null } })
    expect(ran.out.replaceAll(/\{[^]*?\n\}/g, '{}').split('\n')).toEqual([
      ...['queue:q1 messages:0 consumers:0', 'OK', 'OK', 'OK', 'OK', 'OK', 'OK'],
      ...['queue:q1 messages:2 consumers:0', 'OK', '{}', 'OK', '{}', 'OK'],
      ...['No messages in queue. basic.publish something.', 'OK', 'OK'],
      ...['queue:q1 messages:0 consumers:0', 'OK', '0 messages deleted.', 'OK', 'OK', ''],
    ])
  })

  it('CLI-32: what is got and not acknowledged is there again when the shell ends', async () => {
    const broker = hub()
    const got = await shell(
      broker,
      'queue.declare q',
      'basic.publish one "" q',
      'basic.get q',
      'exit',
      'basic.ack 1',
    )
    expect(got.out).toContain('"body": "one"')
    expect((await shell(broker, 'queue.declare q yes')).out).toContain('messages:1')
  })

  it('CLI-32: what fails is told, ends nothing, and shows in the exit code', async () => {
    const ran = await shell(
      hub(),
      'queue.declare missing true',
      'queue.bind q nowhere key',
      'exchange.declare x headers',
      'basic.ack 7',
      'queue.declare q perhaps',
      'queue.delete',
      'nonsense',
      'basic.publish "open',
      '',
      'queue.declare q',
    )
    expect(ran.exitCode).toBe(1)
    expect(
      ran.err
        .trim()
        .split('\n')
        .map((line) => line.replace(/^ERROR: /, '')),
    ).toEqual([
      expect.stringContaining('no queue "missing"'),
      expect.stringContaining('no queue "q"'),
      expect.stringContaining('headers'),
      expect.stringContaining('No message with delivery_tag 7 is held here'),
      'passive is "perhaps". Give true or false.',
      'Missing queue. It is: queue.delete <queue> [if_unused] [if_empty]',
      'There is no "nonsense". Type help.',
      'A quote is not closed.',
    ])
    expect(ran.out).toContain('queue:q messages:0')
  })

  it('CLI-32: each command alone, help among them', async () => {
    const broker = ['-b', hub()]
    expect((await ct(...broker, 'amqp', 'queue.declare', 'q')).out).toBe(
      'queue:q messages:0 consumers:0\nOK\n',
    )
    expect((await ct(...broker, 'amqp', 'basic.publish', 'text', '', 'q')).out).toBe('OK\n')
    expect((await ct(...broker, 'amqp', 'queue.delete', 'q', 'no', 'yes')).err).toContain(
      'is not empty: 1 wait',
    )
    expect((await ct(...broker, 'amqp', 'queue.purge', 'q')).out).toBe('1 messages deleted.\nOK\n')
    expect((await ct(...broker, 'amqp', 'queue.purge')).exitCode).toBe(2)
    expect((await ct(...broker, 'amqp', 'queue.declare', 'q', 'maybe')).exitCode).toBe(2)
    expect((await ct('amqp', 'queue.bind', '--help')).out).toMatch(/<queue> <exchange> <routing_key>/)
  })

  it('splits lines as a shell does', () => {
    expect(splitWords(`a  "b c" 'd "e"' f\\ g "" h'i'j`)).toEqual(['a', 'b c', 'd "e"', 'f g', '', 'hij'])
    expect(splitWords('')).toEqual([])
    expect(splitWords("it's")).toBeUndefined()
  })
})

describe('ct list bindings', () => {
  it('CLI-29: queues of the app and of others, as a table and as JSON', async () => {
    const broker = hub()
    await shell(broker, 'queue.declare other', 'exchange.declare x topic', 'queue.bind other x a.#')
    expect((await ct('-b', broker, 'list', 'bindings')).out).toBe(
      'Queue   Exchange  Routing Key\ncelery  celery    celery\nother   x         a.#\n',
    )
    expect(JSON.parse((await ct('-b', broker, 'list', 'bindings', '-j')).out)).toEqual([
      { queue: 'celery', exchange: 'celery', routingKey: 'celery' },
      { queue: 'other', exchange: 'x', routingKey: 'a.#' },
    ])
  })
})

describe('a broker without administration', () => {
  const plain: Broker = new Proxy(memoryBroker({ name: 'amqp-plain' }), {
    get(target, key) {
      if (key !== 'connect') return Reflect.get(target, key) as unknown
      return async (options: Parameters<Broker['connect']>[0]) =>
        Object.assign(await target.connect(options), { administration: undefined })
    },
  })
  const withPlain = { createApp: () => memoryApp({ broker: plain }) }
  afterAll(() => plain.close())

  it('CLI-29, CLI-32: both commands say so', async () => {
    expect((await ctWith(withPlain, '-b', 'x', 'list', 'bindings')).err).toContain('cannot list bindings')
    const ran = await ctWith(withPlain, '-b', 'x', 'amqp', 'queue.declare', 'q')
    expect(ran.err).toContain('no commands for administrators')
    expect(ran.exitCode).toBe(1)
  })
})
