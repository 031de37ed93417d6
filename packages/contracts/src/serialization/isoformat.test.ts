import { describe, expect, it } from 'vitest'
import { caught, fixtures } from '../../test/fixtures.ts'
import { DecodeError, EncodeError } from '../errors.ts'
import { isoformat, parseIso } from './index.ts'

describe('ISO times', () => {
  it('WIRE-4: reads what dateutil.isoparse reads, naive times as UTC', () => {
    for (const [text, epochMs] of fixtures.isoparse) {
      let read: number | null = null
      caught(() => (read = parseIso(text).epochMs), DecodeError)
      expect([text, read]).toEqual([text, epochMs])
    }
  })

  it('WIRE-4: writes as Python’s isoformat', () => {
    expect(isoformat(new Date('2024-05-01T10:00:00.120Z'))).toBe('2024-05-01T10:00:00.120000+00:00')
    expect(isoformat(new Date('2024-05-01T10:00:00Z'))).toBe('2024-05-01T10:00:00+00:00')
    expect(isoformat(Date.parse('2024-05-01T10:00:00.001Z'))).toBe('2024-05-01T10:00:00.001000+00:00')
    expect(isoformat(new Date('1969-12-31T23:59:59.999Z'))).toBe('1969-12-31T23:59:59.999000+00:00')
    expect(isoformat(new Date('0001-01-01T00:00:00Z'))).toBe('0001-01-01T00:00:00+00:00')
    for (const bad of [
      new Date(NaN),
      new Date('+010000-01-01T00:00:00Z'),
      Infinity,
      Date.parse('0001-01-01T00:00:00Z') - 1,
    ]) {
      expect(() => isoformat(bad)).toThrow(EncodeError)
    }
  })

  it('round-trips every millisecond', () => {
    for (let at = 0; at < 3000; at += 7)
      expect(parseIso(isoformat(1_714_557_600_000 + at)).epochMs).toBe(1_714_557_600_000 + at)
  })
})
