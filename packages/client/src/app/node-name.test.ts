import { hostname } from 'node:os'
import { describe, expect, it } from 'vitest'
import { nodeName, nodePath } from './node-name.ts'

describe('WORK-1: node names', () => {
  it.each([
    [undefined, 'celery@www.example.com'],
    ['', 'celery@www.example.com'],
    ['w1', 'w1@www.example.com'],
    ['w1@%h', 'w1@www.example.com'],
    ['w1@%n', 'w1@www'],
    ['%n@%d', 'www@example.com'],
    ['w%i%I@%h', 'w0@www.example.com'],
    ['100%%@h', '100%@h'],
    ['a@b', 'a@b'],
  ])('%s', (given, name) => {
    expect(nodeName(given, 'www.example.com')).toBe(name)
  })

  it('the host is that of the system', () => {
    expect(nodeName('w1')).toBe(`w1@${hostname()}`)
    expect(nodePath('%h', 'w1')).toBe(hostname())
  })
})
