/** What lies in the Redis list is broken: the envelope, the text of the body, headers and properties as a whole. */
import { embed, envelope, good, withProperty, type MalformedMessage } from './sound-message.ts'

export const malformedEnvelopes: readonly MalformedMessage[] = [
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
]
