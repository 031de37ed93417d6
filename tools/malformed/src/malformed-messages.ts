import { Buffer } from 'node:buffer'
import zlib from 'node:zlib'

/** A message that is broken in one place, as it would lie in a Redis list. */
export interface MalformedMessage {
  readonly name: string
  readonly envelope: string
  /** `details.reason` of the error it must end in, or null when ct reads it although Python stumbles. */
  readonly reason: string | null
}

const id = '41b1c752-31fe-4c53-aa75-cdc1a6582df5'
const headers: Readonly<Record<string, unknown>> = {
  lang: 'py',
  task: 'proj.add',
  id,
  shadow: null,
  eta: null,
  expires: null,
  group: null,
  group_index: null,
  retries: 0,
  timelimit: [null, null],
  root_id: id,
  parent_id: null,
  argsrepr: '(2, 2)',
  kwargsrepr: '{}',
  origin: 'gen1@host',
  ignore_result: null,
  replaced_task_nesting: 0,
  stamped_headers: null,
  stamps: {},
}
const embed = { callbacks: null, errbacks: null, chain: null, chord: null }
const properties: Readonly<Record<string, unknown>> = {
  correlation_id: id,
  reply_to: id,
  delivery_mode: 2,
  delivery_info: { exchange: '', routing_key: 'celery' },
  priority: 0,
  body_encoding: 'base64',
  delivery_tag: 'ad1b8f81-a2ff-445d-9e94-24f57509a08c',
}

function base64(body: string | Uint8Array): string {
  return Buffer.from(body as string).toString('base64')
}

function envelope(change: Record<string, unknown> = {}): string {
  const whole: Record<string, unknown> = {
    body: base64(JSON.stringify([[2, 2], {}, embed])),
    'content-encoding': 'utf-8',
    'content-type': 'application/json',
    headers,
    properties,
    ...change,
  }
  return JSON.stringify(whole)
}

const good = envelope()

function withHeader(key: string, value: unknown): string {
  const changed: Record<string, unknown> = { ...headers, [key]: value }
  if (value === undefined) delete changed[key]
  return envelope({ headers: changed })
}

function withProperty(key: string, value: unknown): string {
  return envelope({ properties: { ...properties, [key]: value } })
}

function withBody(body: unknown): string {
  return envelope({ body: base64(typeof body === 'string' ? body : JSON.stringify(body)) })
}

function compressed(name: string, body: Uint8Array): string {
  return envelope({ headers: { ...headers, compression: name }, body: base64(body) })
}

const signature = { task: 'next', args: [], kwargs: {}, options: {}, subtask_type: null, immutable: false }

/** Every layer broken: envelope, headers, properties, body, compression, links. */
export const malformedMessages: readonly MalformedMessage[] = [
  ...(
    [
      ['empty text', '', 'json'],
      ['not JSON', 'hello', 'json'],
      ['cut off', good.slice(0, -1), 'json'],
      ['cut in the middle', good.slice(0, 200), 'json'],
      ['twice', good + good, 'json'],
      ['null', 'null', 'envelope'],
      ['number', '5', 'envelope'],
      ['text', '"x"', 'envelope'],
      ['array', '[]', 'envelope'],
      ['boolean', 'true', 'envelope'],
      ['only an open bracket', '['.repeat(100_000), 'depth'],
      ['nested 100,000 deep', '['.repeat(100_000) + ']'.repeat(100_000), 'depth'],
      ['empty object', '{}', 'body'],
      [
        'unknown marker in the envelope',
        good.replace('"stamps":{}', '"stamps":{"__type__":"nope","__value__":1}'),
        'marker',
      ],
      ['NUL characters', '\0\0\0', 'json'],
      ['control character in a string', good.replace('proj.add', 'proj.\u0001add'), 'json'],
      ['envelope that is itself a date', '{"__type__":"date","__value__":"2024-05-01"}', 'envelope'],
    ] as const
  ).map(([name, text, reason]) => ({ name: `envelope: ${name}`, envelope: text, reason })),
  ...(
    [
      ['missing', undefined, 'body'],
      ['null', null, 'body'],
      ['number', 5, 'body'],
      ['object', {}, 'body'],
      ['array', [[], {}, embed], 'body'],
      ['empty text', '', 'json'],
      ['not base64 at all', '!!!', 'json'],
      ['base64 cut off', 'W1syLCAyXSwge30', 'body'],
    ] as const
  ).map(([name, body, reason]) => ({ name: `body text: ${name}`, envelope: envelope({ body }), reason })),
  ...(
    [
      ['null', null, 'unknown-message'],
      ['missing', undefined, 'unknown-message'],
      ['text', 'x', 'headers'],
      ['array', [], 'headers'],
      ['number', 1, 'headers'],
      ['empty', {}, 'unknown-message'],
      ['a date', { __type__: 'date', __value__: '2024-05-01' }, 'headers'],
    ] as const
  ).map(([name, value, reason]) => ({
    name: `headers: ${name}`,
    envelope: envelope({ headers: value }),
    reason,
  })),
  ...(
    [
      ['text', 'x', 'properties'],
      ['array', [], 'properties'],
      ['number', 1, 'properties'],
    ] as const
  ).map(([name, value, reason]) => ({
    name: `properties: ${name}`,
    envelope: envelope({ properties: value }),
    reason,
  })),
  ...(
    [
      ['body_encoding', 'rot13', 'body-encoding'],
      ['body_encoding', 5, 'body-encoding'],
      ['body_encoding', {}, 'body-encoding'],
      ['delivery_info', 'x', 'properties'],
      ['delivery_info', [], 'properties'],
      ['delivery_tag', null, null],
      ['delivery_tag', 5, null],
      ['priority', 'high', null],
      ['priority', -1, null],
      ['correlation_id', 5, null],
      ['reply_to', {}, null],
      ['delivery_mode', 7, null],
      ['expiration', 'soon', null],
    ] as const
  ).map(([key, value, reason]) => ({
    name: `property ${key} = ${JSON.stringify(value)}`,
    envelope: withProperty(key, value),
    reason,
  })),
  ...(
    [
      ['task', 5, 'task'],
      ['task', [], 'task'],
      ['task', {}, 'task'],
      ['task', true, 'task'],
      ['task', '', 'unknown-message'],
      ['task', null, 'unknown-message'],
      ['id', undefined, 'id'],
      ['id', null, 'id'],
      ['id', 5, 'id'],
      ['id', '', 'id'],
      ['id', [], 'id'],
      ['id', {}, 'id'],
      ['id', true, 'id'],
      ['shadow', 5, 'shadow'],
      ['shadow', [], 'shadow'],
      ['eta', '', 'eta'],
      ['eta', 'soon', 'eta'],
      ['eta', 5, 'eta'],
      ['eta', {}, 'eta'],
      ['eta', '2024-02-30T00:00:00', 'eta'],
      ['eta', '1714557600', 'eta'],
      ['eta', 'x'.repeat(100_000), 'eta'],
      ['expires', '', 'expires'],
      ['expires', 'never', 'expires'],
      ['expires', 60, 'expires'],
      ['expires', ['2024-05-01'], 'expires'],
      ['group', 5, 'group'],
      ['group', [], 'group'],
      ['group_index', 'x', 'group_index'],
      ['group_index', 1.5, 'group_index'],
      ['group_index', -1, 'group_index'],
      ['group_index', [], 'group_index'],
      ['retries', 'x', 'retries'],
      ['retries', -1, 'retries'],
      ['retries', 0.5, 'retries'],
      ['retries', 1e300, 'retries'],
      ['retries', {}, 'retries'],
      ['timelimit', [5], 'timelimit'],
      ['timelimit', 5, 'timelimit'],
      ['timelimit', {}, 'timelimit'],
      ['timelimit', 'x', 'timelimit'],
      ['timelimit', [1, 2, 3], 'timelimit'],
      ['timelimit', ['5', null], 'timelimit'],
      ['timelimit', [-1, null], 'timelimit'],
      ['timelimit', [null, []], 'timelimit'],
      ['root_id', 5, 'root_id'],
      ['parent_id', {}, 'parent_id'],
      ['ignore_result', 'false', 'ignore_result'],
      ['ignore_result', 2, 'ignore_result'],
      ['ignore_result', [], 'ignore_result'],
      ['replaced_task_nesting', 'x', 'replaced_task_nesting'],
      ['replaced_task_nesting', -1, 'replaced_task_nesting'],
      ['stamped_headers', 'x', 'stamped_headers'],
      ['stamped_headers', [5], 'stamped_headers'],
      ['stamped_headers', {}, 'stamped_headers'],
      ['stamps', [], 'stamps'],
      ['stamps', 'x', 'stamps'],
      ['compression', 5, 'compression'],
      ['compression', 'nope', 'compression'],
      ['compression', 'application/x-bz2', 'compression'],
      ['compression', 'zlib', 'compression'],
      ['compression', 'constructor', 'compression'],
      ['argsrepr', 5, null],
      ['kwargsrepr', null, null],
      ['origin', {}, null],
      ['lang', 7, null],
    ] as const
  ).map(([key, value, reason]) => ({
    name: `header ${key} = ${(JSON.stringify(value) ?? 'missing').slice(0, 30)}`,
    envelope: withHeader(key, value),
    reason,
  })),
  ...(
    [
      ['empty object', {}, 'body-shape'],
      ['object without args', { kwargs: {} }, 'body-shape'],
      ['null', null, 'body-shape'],
      ['number', 5, 'body-shape'],
      ['text', '"x"', 'body-shape'],
      ['empty array', [], 'body-shape'],
      ['one element', [[]], 'body-shape'],
      ['two elements', [[], {}], 'body-shape'],
      ['four elements', [[], {}, embed, 1], 'body-shape'],
      ['four elements, links last', [[], {}, {}, embed], 'body-shape'],
      ['links alone', [embed], 'body-shape'],
      ['args null', [null, {}, embed], 'args'],
      ['args text', ['abc', {}, embed], 'args'],
      ['args object', [{}, {}, embed], 'args'],
      ['kwargs null', [[], null, embed], 'kwargs'],
      ['kwargs list', [[], [], embed], 'kwargs'],
      ['kwargs text', [[], 'x', embed], 'kwargs'],
      ['kwargs number', [[], 5, embed], 'kwargs'],
      ['kwargs that are a date', [[], { __type__: 'date', __value__: '2024-05-01' }, embed], 'kwargs'],
      ['links text', [[], {}, 'x'], 'json'],
      ['links array', [[], {}, []], 'json'],
      ['links number', [[], {}, 5], 'json'],
      ['callback null in a list', [[], {}, { ...embed, callbacks: [null] }], 'embed'],
      ['callback number', [[], {}, { ...embed, callbacks: 5 }], 'embed'],
      ['errback text', [[], {}, { ...embed, errbacks: ['x'] }], 'embed'],
      ['chain of lists', [[], {}, { ...embed, chain: [[signature]] }], 'embed'],
      [
        'chain of 100,001 steps',
        [[], {}, { ...embed, chain: Array.from({ length: 100_001 }, () => signature) }],
        'embed',
      ],
      ['chord list', [[], {}, { ...embed, chord: [signature] }], 'embed'],
      ['chord text', [[], {}, { ...embed, chord: 'x' }], 'embed'],
      ['not JSON', '[[], {}, ', 'json'],
      ['JSON and more', '[[], {}, {}] x', 'json'],
      ['unknown marker in args', [[{ __type__: 'nope', __value__: 1 }], {}, embed], 'marker'],
      [
        'unknown marker in a link',
        [[], {}, { ...embed, chord: { ...signature, args: [{ __type__: 'nope', __value__: 1 }] } }],
        'marker',
      ],
      ['bad date in kwargs', [[], { a: { __type__: 'datetime', __value__: 'x' } }, embed], 'time'],
      ['an argument nested 5,000 deep', `[[${'['.repeat(5000)}${']'.repeat(5000)}], {}, {}]`, 'depth'],
      ['an integer of 5,000 digits', `[[${'9'.repeat(5000)}], {}, {}]`, 'json'],
      ['single quotes', "[['a'], {}, {}]", 'json'],
      ['a pickle', '\u0080\u0004]', 'json'],
    ] as const
  ).map(([name, body, reason]) => ({ name: `body: ${name}`, envelope: withBody(body), reason })),
  {
    name: 'body: not UTF-8',
    envelope: envelope({ body: base64(Uint8Array.of(0x5b, 0xff, 0x5d)) }),
    reason: 'utf-8',
  },
  { name: 'body: a byte order mark', envelope: withBody('\ufeff[[], {}, {}]'), reason: 'json' },
  ...(
    [
      ['pickle', 'application/x-python-serialize'],
      ['yaml', 'application/x-yaml'],
      ['msgpack', 'application/x-msgpack'],
      ['text', 'text/plain'],
      ['nonsense', 'x'],
      ['constructor', 'constructor'],
    ] as const
  ).map(([name, type]) => ({
    name: `content type: ${name}`,
    envelope: envelope({ 'content-type': type }),
    reason: 'content-type',
  })),
  { name: 'content type: missing', envelope: envelope({ 'content-type': undefined }), reason: 'body-shape' },
  {
    name: 'content type: data',
    envelope: envelope({ 'content-type': 'application/data', 'content-encoding': 'binary' }),
    reason: 'body-shape',
  },
  { name: 'content type: number', envelope: envelope({ 'content-type': 5 }), reason: 'body-shape' },
  {
    name: 'content encoding: nonsense',
    envelope: envelope({ 'content-encoding': 'nonsense' }),
    reason: null,
  },
  {
    name: 'content encoding: of text that is none',
    envelope: envelope({ 'content-type': 'application/data', 'content-encoding': 'nonsense' }),
    reason: 'content-encoding',
  },
  {
    name: 'compression: gzip member',
    envelope: compressed('application/x-gzip', zlib.gzipSync('[[], {}, {}]')),
    reason: 'compression',
  },
  {
    name: 'compression: cut off',
    envelope: compressed('application/x-gzip', zlib.deflateSync('[[], {}, {}]').subarray(0, 8)),
    reason: 'compression',
  },
  {
    name: 'compression: zlib bomb',
    envelope: compressed('zlib', zlib.deflateSync(Buffer.alloc(4_000_000, 32))),
    reason: 'too-large',
  },
  {
    name: 'compression: zstd bomb',
    envelope: compressed('zstd', zlib.zstdCompressSync(Buffer.alloc(4_000_000, 32))),
    reason: 'too-large',
  },
  {
    name: 'compression: brotli bomb',
    envelope: compressed('brotli', zlib.brotliCompressSync(Buffer.alloc(4_000_000, 32))),
    reason: 'too-large',
  },
  {
    name: 'compression: bytes after the frame',
    envelope: compressed('zstd', Buffer.concat([zlib.zstdCompressSync('[[], {}, {}]'), Buffer.from('x')])),
    reason: 'compression',
  },
  ...(
    [
      ['no task', { id }, 'unknown-message'],
      ['task number', { task: 5, id }, 'task'],
      ['no id', { task: 't' }, 'id'],
      ['id number', { task: 't', id: 5 }, 'id'],
      ['kwargs list', { task: 't', id, kwargs: [] }, 'kwargs'],
      ['kwargs text', { task: 't', id, kwargs: 'x' }, 'kwargs'],
      ['args text', { task: 't', id, args: 'x' }, 'args'],
      ['eta', { task: 't', id, eta: 'x' }, 'eta'],
      ['timelimit', { task: 't', id, timelimit: [1] }, 'timelimit'],
      ['taskset', { task: 't', id, taskset: 5 }, 'group'],
      ['callbacks', { task: 't', id, callbacks: [5] }, 'embed'],
      ['not JSON', '{', 'json'],
    ] as const
  ).map(([name, body, reason]) => ({
    name: `protocol 1: ${name}`,
    envelope: envelope({ headers: {}, body: base64(typeof body === 'string' ? body : JSON.stringify(body)) }),
    reason,
  })),
]
