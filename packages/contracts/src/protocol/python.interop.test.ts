import { python, tryPython, type PythonClient } from '@ct-tools/interop'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { seeded } from '../../test/fixtures.ts'
import { CompressorRegistry } from '../compression/index.ts'
import { BrokerUnavailableError, ConfigurationError, EncodeError, InvalidMessageError } from '../errors.ts'
import { encodeJson, float, PyDate, PyDecimal, PyTime, PyUuid } from '../serialization/index.ts'
import {
  argsRepr,
  buildTaskMessage,
  ChordError,
  encodeException,
  encodeResultMeta,
  kwargsRepr,
  MaxRetriesExceededError,
  NotRegistered,
  pythonTraceback,
  Reject,
  SoftTimeLimitExceeded,
  TaskRevokedError,
  Terminated,
  TimeLimitExceeded,
  TimeoutError,
  WorkerLostError,
} from './index.ts'

const ready = await tryPython('5.7')
const rounds = process.env['CT_NIGHTLY'] !== undefined ? 20_000 : 1500

describe.skipIf(!ready)('what ct writes, read by Celery 5.7', () => {
  let client: PythonClient

  beforeAll(async () => {
    client = await python('5.7', { broker: 'memory://', backend: 'cache+memory://' })
  })

  afterAll(async () => {
    await client.close()
  })

  it('SEC-3 SEC-15..21 SEC-26: kombu reads random values and writes the same bytes', async () => {
    const random = seeded(10)
    const texts = Array.from({ length: rounds }, () => encodeJson(randomValue(random, 5)))
    const different = await client.exec<string[][]>(
      `
      from kombu.utils.json import dumps, loads
      [[text, dumps(loads(text))] for text in texts if dumps(loads(text)) != text]
      `,
      { texts },
    )
    expect(different).toEqual([])
  })

  it('WIRE-5: reprs of random arguments are those Celery makes', async () => {
    const random = seeded(11)
    const cases = Array.from({ length: rounds }, () => {
      const args = Array.from({ length: Math.floor(random() * 4) }, () => randomValue(random, 4))
      const maxLength = [1024, 200, 50][Math.floor(random() * 3)]!
      return [
        encodeJson(args),
        maxLength,
        argsRepr(args, { maxLength }),
        kwargsRepr({ k: args }, { maxLength }),
      ] as const
    }).filter(([text]) => !/NaN|Infinity|\d\.0[,\]}]/.test(text))
    expect(cases.length).toBeGreaterThan(rounds / 4)
    const different = await client.exec<unknown[]>(
      `
      from kombu.utils.json import loads
      from celery.utils.saferepr import saferepr
      def _other(text, length, args, kwargs):
          value = loads(text)
          mine = [saferepr(tuple(value), length, maxlevels=3), saferepr({'k': value}, length, maxlevels=3)]
          return [] if mine == [args, kwargs] else [[text, length, args, kwargs, mine]]
      [row for case in cases for row in _other(*case)]
      `,
      { cases },
    )
    expect(different).toEqual([])
  })

  it('WIRE-31 WIRE-38: errors arrive as the exceptions Python code catches', async () => {
    class Declined extends Error {}
    const system = Object.assign(new Error('ENOENT: no such file'), {
      code: 'ENOENT',
      errno: -2,
      syscall: 'open',
    })
    const errors: [unknown, string][] = [
      [new Error('x'), 'builtins.Exception'],
      [new TypeError('x'), 'builtins.TypeError'],
      [new RangeError('x'), 'builtins.ValueError'],
      [new Declined('no'), 'celery.exceptions.Declined'],
      [system, 'builtins.FileNotFoundError'],
      [new NotRegistered('t'), 'celery.exceptions.NotRegistered'],
      [new TaskRevokedError('expired'), 'celery.exceptions.TaskRevokedError'],
      [new ChordError('c'), 'celery.exceptions.ChordError'],
      [new MaxRetriesExceededError('m'), 'celery.exceptions.MaxRetriesExceededError'],
      [new TimeLimitExceeded(5), 'billiard.exceptions.TimeLimitExceeded'],
      [new SoftTimeLimitExceeded(), 'billiard.exceptions.SoftTimeLimitExceeded'],
      [new WorkerLostError('w'), 'billiard.exceptions.WorkerLostError'],
      [new Terminated(9), 'billiard.exceptions.Terminated'],
      [new Reject('r', true), 'celery.exceptions.Reject'],
      [new TimeoutError(), 'celery.exceptions.TimeoutError'],
      [new EncodeError('e'), 'kombu.exceptions.EncodeError'],
      [new InvalidMessageError('e'), 'celery.exceptions.InvalidTaskError'],
      [new BrokerUnavailableError('e'), 'kombu.exceptions.OperationalError'],
      [new ConfigurationError('e'), 'celery.exceptions.ImproperlyConfigured'],
      ['thrown text', 'builtins.Exception'],
    ]
    const documents = errors.map(([error]) => encodeResult(error))
    const names = await client.exec<string[]>(
      `
      import billiard.exceptions, celery.exceptions, kombu.exceptions
      def _name(document):
          meta = app.backend.meta_from_decoded(app.backend.decode(document))
          return type(meta['result']).__module__ + '.' + type(meta['result']).__qualname__
      [_name(document) for document in documents]
      `,
      { documents },
    )
    expect(names).toEqual(errors.map(([, name]) => name))
  })

  it('WIRE-1 SEC-30..34: a compressed message is one that a worker opens', async () => {
    const compressors = new CompressorRegistry()
    const bodies = ['zlib', 'gzip'].map((name) => {
      const message = buildTaskMessage(
        { task: 't', id: 'i', args: ['x'.repeat(100)], origin: 'gen1@host' },
        { compression: { name, compressors } },
      )
      return [message.headers['compression'], message.body] as const
    })
    const opened = await client.exec<unknown[]>(
      `
      from kombu.compression import decompress
      from kombu.utils.json import loads
      [loads(decompress(bytes(body), header))[0] for header, body in bodies]
      `,
      { bodies },
    )
    expect(opened).toEqual(bodies.map(() => ['x'.repeat(100)]))
  })
})

function encodeResult(error: unknown): string {
  const result = encodeException(error, () => true)
  const bytes = encodeResultMeta({
    taskId: 'T',
    status: 'FAILURE',
    result,
    traceback: pythonTraceback(error),
    children: [],
    dateDone: null,
  })
  return Buffer.from(bytes).toString()
}

function randomText(random: () => number): string {
  let text = ''
  for (let left = Math.floor(random() * 24); left > 0; left -= 1) {
    text += String.fromCharCode(
      random() < 0.8 ? 32 + Math.floor(random() * 95) : Math.floor(random() * 0xd800),
    )
  }
  return text
}

function randomNumber(random: () => number): number {
  const kind = random()
  if (kind < 0.3) return Math.floor((random() - 0.5) * 2e6)
  if (kind < 0.6) return (random() - 0.5) * 10 ** Math.floor(random() * 620 - 310)
  if (kind < 0.9) return Number((random() * 1000).toFixed(Math.floor(random() * 5)))
  return [NaN, Infinity, -Infinity, -0, 2 ** 53, Math.floor(random() * 1e17)][Math.floor(random() * 6)]!
}

function randomValue(random: () => number, depth: number): unknown {
  const kind = random()
  const many = <T>(make: () => T): T[] => Array.from({ length: Math.floor(random() * 4) }, make)
  if (depth > 0 && kind < 0.2) return many(() => randomValue(random, depth - 1))
  // A letter in front: JavaScript sorts keys that look like integers.
  if (depth > 0 && kind < 0.4)
    return Object.fromEntries(many(() => [`k${randomText(random)}`, randomValue(random, depth - 1)]))
  if (kind < 0.6) return randomNumber(random)
  if (kind < 0.75) return randomText(random)
  if (kind < 0.8) return BigInt(Math.floor(random() * 1e15)) ** BigInt(1 + Math.floor(random() * 10))
  if (kind < 0.84) return new Date(Math.floor((random() * 2 - 0.5) * 4e12))
  if (kind < 0.88) return Uint8Array.from(many(() => Math.floor(random() * 256)))
  const others = [
    null,
    true,
    false,
    float(Math.floor(random() * 1000)),
    new PyUuid('41b1c75231fe4c53aa75cdc1a6582df5'),
    new PyDate(2024, 2, 29),
    new PyTime('01:02:03.000004'),
    new PyDecimal('1.10'),
  ]
  return others[Math.floor(random() * others.length)]
}
