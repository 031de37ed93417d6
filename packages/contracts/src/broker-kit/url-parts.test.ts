import { describe, expect, it } from 'vitest'
import { decodeUrlPart, maskUrl } from './url-parts.ts'

describe('APP-33: URLs are shown without passwords', () => {
  it('masks each of several servers, with blanks between them', () => {
    expect(maskUrl('amqp://u:a@one//; amqp://u:p@ss@two//')).toBe('amqp://u:**@one//; amqp://u:**@two//')
    expect(maskUrl('redis://:pw@host/0')).toBe('redis://:**@host/0')
    expect(maskUrl('redis://host/0')).toBe('redis://host/0')
  })

  it('masks passwords of the query, whatever the scheme', () => {
    expect(maskUrl('amqps://host//?ssl_password=x&heartbeat=10')).toBe(
      'amqps://host//?ssl_password=**&heartbeat=10',
    )
    expect(maskUrl('redis://host?heartbeat=1&sslPassword=x;redis://two')).toBe(
      'redis://host?heartbeat=1&sslPassword=**;redis://two',
    )
  })
})

it('what is not well encoded stands for itself', () => {
  expect(decodeUrlPart('a%2Fb')).toBe('a/b')
  expect(decodeUrlPart('100%')).toBe('100%')
})
