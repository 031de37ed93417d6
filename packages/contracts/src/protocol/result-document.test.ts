import { describe, expect, it } from 'vitest'
import { caught, fixtures, mutate, seeded } from '../../test/fixtures.ts'
import { DecodeError, EncodeError, isCeleryError } from '../errors.ts'
import { decodeJson, encodeJson, RawJson } from '../serialization/index.ts'
import {
  ChordError,
  decodeException,
  decodeResultHandle,
  decodeResultMeta,
  encodeException,
  encodeResultHandle,
  encodeResultMeta,
  groupDocument,
  MaxRetriesExceededError,
  NotRegistered,
  pythonIdentity,
  pythonTraceback,
  readGroupDocument,
  readResultDocument,
  Reject,
  RemoteError,
  Retry,
  SoftTimeLimitExceeded,
  statePrecedence,
  TaskRevokedError,
  TimeLimitExceeded,
  WorkerLostError,
} from './index.ts'
import type { ResultHandle, ResultMeta } from './index.ts'

const always = (): boolean => true
const canEncode = (value: unknown): boolean => {
  try {
    encodeJson(value)
    return true
  } catch {
    return false
  }
}

describe('result documents', () => {
  it.each(fixtures.results.map(([name, text]) => [name, text] as const))(
    'WIRE-30 RES-61: %s is read and written byte for byte',
    (_name, text) => {
      const meta = decodeResultMeta(Buffer.from(text))
      expect(Buffer.from(encodeResultMeta(meta)).toString()).toBe(text)
    },
  )

  it('WIRE-30: fields', () => {
    const [, text] = fixtures.results.find(([name]) => name === 'extended')!
    expect(decodeResultMeta(Buffer.from(text))).toEqual({
      taskId: 'T',
      status: 'SUCCESS',
      result: 3,
      traceback: null,
      children: [],
      dateDone: '2024-05-01T10:00:00.123456+00:00',
      groupId: 'G',
      parentId: 'P',
      extended: {
        name: 'proj.add',
        args: [1, 2],
        kwargs: {},
        worker: 'w1@host',
        retries: 0,
        queue: 'celery',
        stampedHeaders: ['stamp'],
        stamps: { stamp: ['s1'] },
      },
    })
    expect(decodeResultMeta(Buffer.from('{"status":"SUCCESS","result":3,"task_id":"x"}'))).toMatchObject({
      children: null,
      dateDone: null,
    })
    expect(readResultDocument({ status: 'X' }, 'id')).toMatchObject({ taskId: 'id', result: null })
  })

  it('a slot’s encoded value goes in as it is, and a stamp cannot replace a field', () => {
    const meta: ResultMeta = {
      taskId: 'T',
      status: 'SUCCESS',
      result: RawJson.from('[1.0]'),
      traceback: null,
      children: null,
      dateDone: null,
      extended: {
        name: 'n',
        args: [],
        kwargs: {},
        worker: null,
        retries: 0,
        queue: null,
        stampedHeaders: ['status', '__proto__'],
        stamps: { status: 'x', ['__proto__']: 1 },
      },
    }
    const text = Buffer.from(encodeResultMeta(meta)).toString()
    expect(text).toContain('{"status": "SUCCESS", "result": [1.0], ')
    expect(text).toContain('"stamped_headers": ["status", "__proto__"], "__proto__": 1, "task_id": "T"}')
  })

  it('throws nothing but DecodeError on random documents', () => {
    const random = seeded(6)
    const seeds = [...fixtures.results.map(([, text]) => text), fixtures.group].map((text) =>
      Buffer.from(text),
    )
    for (let round = 0; round < 4000; round += 1) {
      const bytes = mutate(seeds[Math.floor(random() * seeds.length)]!, random, '[]{}",:0123456789null_')
      for (const action of [
        () => {
          const meta = decodeResultMeta(bytes)
          expect(isCeleryError(decodeException(meta.result, meta.traceback))).toBe(true)
        },
        () => readGroupDocument(decodeJson(Buffer.from(bytes).toString('latin1'))),
      ]) {
        caught(action, DecodeError)
      }
    }
  })
})

describe('result handles', () => {
  it('WIRE-32 WIRE-33: groups within groups with parents', () => {
    const handle = readGroupDocument(decodeJson(fixtures.group))
    expect(handle).toMatchObject({
      id: 'G',
      parent: { id: 'q' },
      children: [
        { id: 'a', parent: { id: 'p' }, children: null },
        { id: 'H', children: [{ id: 'b' }] },
      ],
    })
    expect(encodeJson(groupDocument(handle))).toBe(fixtures.group)
    expect(readGroupDocument(encodeResultHandle(handle))).toEqual(handle)
    expect(decodeResultHandle(['bare', null])).toEqual({ id: 'bare', parent: null, children: null })
  })

  it('RES-29, RES-51: a chain may have more steps than calls can be nested, and its result travels as a tuple', () => {
    let handle: ResultHandle | null = null
    for (let step = 0; step < 20_000; step++) handle = { id: `t${step}`, parent: handle, children: null }
    let read: ResultHandle | null = decodeResultHandle(encodeResultHandle(handle!))
    const ids: string[] = []
    for (; read !== null; read = read.parent) ids.push(read.id)
    expect(ids).toHaveLength(20_000)
    expect([ids[0], ids.at(-1)]).toEqual(['t19999', 't0'])
  })

  it('RES-51: what is no result as a tuple is told with what it is', () => {
    expect(() => decodeResultHandle([7, null])).toThrow('7 is no id of a task')
    expect(() => decodeResultHandle({ id: 'a' })).toThrow("{'id': 'a'} is neither an id nor a list of two")
    expect(() => decodeResultHandle(['g', 'm'])).toThrow('the members of g are no list')
    expect(() => readGroupDocument(['t', null])).toThrow('t is a task, not a group')
    let nested: unknown = ['g', null]
    for (let depth = 0; depth < 1001; depth++) nested = ['g', [nested]]
    expect(() => decodeResultHandle(nested)).toThrow('more than 1000 deep')
  })

  it('refuses what is none, however deep', () => {
    let deep: unknown = ['a', 5]
    for (let level = 0; level < 5000; level += 1) deep = [['a', deep], null]
    for (const bad of [
      null,
      5,
      '',
      [],
      [1],
      [[1, null], null],
      [['a', null], 5],
      [['', null], null],
      deep,
      {},
    ]) {
      expect(() => decodeResultHandle(bad)).toThrow(DecodeError)
    }
    expect(() => readGroupDocument([['a', null], null])).toThrow(DecodeError)
  })
})

describe('exceptions', () => {
  it('WIRE-31, SEC-27: JavaScript errors under Python names', () => {
    const system = Object.assign(new Error('ENOENT: no such file'), {
      code: 'ENOENT',
      errno: -2,
      syscall: 'open',
    })
    class Declined extends Error {}
    class Named extends Error {
      override name = 'PaymentError'
    }
    const cases: [unknown, string, string, unknown[]][] = [
      [new Error('x'), 'builtins', 'Exception', ['x']],
      [new TypeError('x'), 'builtins', 'TypeError', ['x']],
      [new RangeError('x'), 'builtins', 'ValueError', ['x']],
      [new SyntaxError('x'), 'builtins', 'ValueError', ['x']],
      [new ReferenceError('x'), 'builtins', 'NameError', ['x']],
      [new Error(), 'builtins', 'Exception', []],
      [system, 'builtins', 'FileNotFoundError', [2, 'ENOENT: no such file']],
      [new Declined('no'), 'ct.exceptions', 'Declined', ['no']],
      [new Named('no'), 'ct.exceptions', 'PaymentError', ['no']],
      ['text', 'builtins', 'Exception', ['text']],
      [undefined, 'builtins', 'Exception', [undefined]],
      [{ a: 1 }, 'builtins', 'Exception', [{ a: 1 }]],
      [AbortSignal.abort().reason, 'ct.exceptions', 'AbortError', ['This operation was aborted']],
      [new DOMException('late', 'TimeoutError'), 'builtins', 'TimeoutError', ['late']],
      [new EncodeError('no'), 'kombu.exceptions', 'EncodeError', ['no']],
      [new NotRegistered('t'), 'celery.exceptions', 'NotRegistered', ['t']],
      [new TimeLimitExceeded(5), 'billiard.exceptions', 'TimeLimitExceeded', [5]],
      [new Reject('why', true), 'celery.exceptions', 'Reject', ['why', true]],
      [Object.assign(new Error('x'), { name: 'os.system' }), 'ct.exceptions', 'Exception', ['x']],
    ]
    for (const [error, excModule, excType, args] of cases)
      expect(pythonIdentity(error)).toEqual({ excModule, excType, args })
  })

  it('WIRE-31: an argument that cannot be encoded becomes its repr', () => {
    const error = Object.assign(new Error('x'), {
      excType: 'ValueError',
      excModule: 'builtins',
      args: [1, new Set([2])],
    })
    expect(encodeException(error, canEncode)).toEqual({
      exc_type: 'ValueError',
      exc_message: [1, '{2}'],
      exc_module: 'builtins',
    })
  })

  it('WIRE-38: known kinds come back as their class', () => {
    for (const error of [
      new NotRegistered('t'),
      new TaskRevokedError('expired'),
      new ChordError('Dependency x raised y'),
      new MaxRetriesExceededError('m'),
      new TimeLimitExceeded(3),
      new SoftTimeLimitExceeded(),
      new WorkerLostError('gone'),
      new Reject('r', true),
      new Retry('again'),
    ]) {
      const back = decodeException(decodeJson(encodeJson(encodeException(error, always))), 'tb')
      expect(back.constructor).toBe(error.constructor)
      expect(back).toMatchObject({
        code: error.code,
        message: error.message,
        traceback: 'tb',
        args: error.args,
      })
    }
    expect(
      decodeException({ exc_type: 'EncodeError', exc_message: ['x'], exc_module: 'kombu.exceptions' }),
    ).toBeInstanceOf(EncodeError)
  })

  it('WIRE-31: others are RemoteErrors that pass on unchanged', () => {
    const document = { exc_type: 'Outer.Inner', exc_message: ['bad', 3], exc_module: 'proj.errors' }
    const error = decodeException(document, 'Traceback…')
    expect(error).toBeInstanceOf(RemoteError)
    expect(error).toMatchObject({
      code: 'CT_REMOTE',
      name: 'Outer.Inner',
      excModule: 'proj.errors',
      args: ['bad', 3],
      traceback: 'Traceback…',
      message: "('bad', 3)",
    })
    expect(encodeException(error, always)).toEqual(document)
    expect(
      decodeException({ exc_type: 'KeyError', exc_message: ['k'], exc_module: 'builtins' }).message,
    ).toBe("'k'")
    expect(decodeException({ exc_type: 'ValueError', exc_message: 'text' })).toMatchObject({
      args: ['text'],
      excModule: 'celery.backends.base',
    })
  })

  it('WIRE-39: the wrapper of exceptions that cannot be rebuilt is taken off', () => {
    const wrapper = { exc_type: 'UnpickleableExceptionWrapper', exc_module: 'celery.utils.serialization' }
    expect(decodeException({ ...wrapper, exc_message: ['proj', 'Odd', ['a'], "Odd('a')"] })).toMatchObject({
      name: 'Odd',
      excModule: 'proj',
      args: ['a'],
    })
    expect(
      decodeException({ ...wrapper, exc_message: ['proj', 'Odd', '(<lambda>,)', 'Odd(<lambda>)'] }),
    ).toMatchObject({ name: 'Odd', args: ['Odd(<lambda>)'] })
    expect(decodeException({ ...wrapper, exc_message: [] })).toMatchObject({
      name: 'UnpickleableExceptionWrapper',
    })
  })

  it('RES-62: what is no exception at all is still an error to throw', () => {
    for (const value of [
      null,
      undefined,
      'text',
      5,
      [],
      {},
      { exc_type: 5 },
      { exc_type: 'hasOwnProperty', exc_module: 'constructor', exc_message: { a: 1 } },
    ]) {
      expect(isCeleryError(decodeException(value))).toBe(true)
    }
    expect(decodeException('text').message).toBe('text')
  })

  it('RES-63: a name is never looked up: whatever it names, nothing of it runs', () => {
    for (const [module, type] of [
      ['os', 'system'],
      ['node:child_process', 'execSync'],
      ['builtins', 'eval'],
      ['globalThis', 'Function'],
      ['__proto__', 'constructor'],
    ]) {
      const error = decodeException({ exc_type: type, exc_module: module, exc_message: ['process.exit(7)'] })
      expect(error).toBeInstanceOf(RemoteError)
      expect(error).toMatchObject({ excType: type, excModule: module, args: ['process.exit(7)'] })
    }
  })

  it('tracebacks look like Python’s, causes first', () => {
    const text = pythonTraceback(new TypeError('outer', { cause: new RangeError('inner') }))
    expect(text).toMatch(
      /^Traceback \(most recent call last\):\n(?: {2}File ".+", line \d+, in .+\n)+ValueError: inner\n\nThe above exception was the direct cause/,
    )
    expect(text).toMatch(/TypeError: outer\n$/)
    expect(
      pythonTraceback(decodeException({ exc_type: 'E', exc_message: [] }, 'Traceback of Python\nE')),
    ).toBe('Traceback of Python\nE\n')
    expect(pythonTraceback('text')).toBe('Traceback (most recent call last):\nException: text\n')
    const loop = new Error('loop') as Error & { cause: unknown }
    loop.cause = loop
    expect(pythonTraceback(loop)).toContain('Exception: loop')
  })
})

describe('states', () => {
  it('RES-1, RES-3: precedence', () => {
    const order = [
      'SUCCESS',
      'FAILURE',
      'PROGRESS',
      'REVOKED',
      'STARTED',
      'RECEIVED',
      'REJECTED',
      'RETRY',
      'PENDING',
    ]
    expect(order.map(statePrecedence)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8])
  })
})
