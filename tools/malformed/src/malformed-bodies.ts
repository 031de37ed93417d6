/** The decoded body is broken: arguments, links; and all that protocol 1 has in its body. */
import { base64, embed, envelope, id, withBody, type MalformedMessage } from './sound-message.ts'

const signature = { task: 'next', args: [], kwargs: {}, options: {}, subtask_type: null, immutable: false }

export const malformedBodies: readonly MalformedMessage[] = [
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
