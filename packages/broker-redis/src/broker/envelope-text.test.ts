import { decodeEnvelope, parkedHeader } from '@ct/contracts'
import { expect, it } from 'vitest'
import { addParkedHistory, markRedelivered, removeParkedHistory, setMember } from './envelope-text.ts'

// Numbers that JavaScript cannot hold, a key twice, a member of a hostile name, and texts that look like members.
const odd =
  '{"body": "e30=", "content-encoding": "utf-8", "content-type": "application/json", ' +
  '"headers": {"id": "a", "big": 12345678901234567890, "one": 1.0, "__proto__": {"x": 1}, "text": "\\"headers\\": {}, \\"properties\\": {"}, ' +
  '"properties": {"delivery_info": {"exchange": "", "routing_key": "q"}, "headers": {"a": 1}, "delivery_tag": "t", "body_encoding": "base64"}}'

it('TRANS-33: marking redelivered touches nothing else', () => {
  const marked = markRedelivered(odd)
  expect(marked).toBe(
    odd
      .replace(
        '{"}, "properties": {"delivery_info"',
        '{", "redelivered": true}, "properties": {"delivery_info"',
      )
      .replace('"routing_key": "q"}', '"routing_key": "q", "redelivered": true}'),
  )
  expect(decodeEnvelope(marked).deliveryInfo.redelivered).toBe(true)
  expect(markRedelivered(marked)).toContain('12345678901234567890')
})

it('missing headers and properties are made', () => {
  expect(decodeEnvelope(markRedelivered('{"body": "", "headers": null}')).deliveryInfo.redelivered).toBe(true)
})

it('B18: the history of a parked message comes and goes', () => {
  const history = { reason: 'max-deliveries', starts: 5, parkedAt: '2026-11-24T00:00:00Z', queue: 'q' }
  const parked = addParkedHistory(odd, history)
  expect(decodeEnvelope(parked).headers[parkedHeader]).toEqual(history)
  expect(removeParkedHistory(addParkedHistory(parked, history))).toContain('"one": 1.0')
  expect(decodeEnvelope(removeParkedHistory(parked)).headers[parkedHeader]).toBeUndefined()
})

it('setMember keeps order and replaces every repetition', () => {
  expect(setMember('{"a": 1, "b": [1, 2], "a": 3}', 'a', '4')).toBe('{"a": 4, "b": [1, 2]}')
  expect(setMember('{}', 'a', '1')).toBe('{"a": 1}')
  expect(setMember('{"a":1}', 'a', undefined)).toBe('{}')
})
