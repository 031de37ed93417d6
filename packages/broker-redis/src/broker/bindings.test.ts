import { describe, expect, it } from 'vitest'
import { Keys } from '../keys.ts'
import { brokerSettings } from '../options/broker-options.ts'
import { Bindings } from './bindings.ts'

const settings = brokerSettings({})
// Routing needs no server.
const bindings = new Bindings({} as never, new Keys(settings), settings)
const member = (...fields: string[]): string => fields.join('\x06\x16')

describe('ROUTE-30: where a message goes is decided by the bindings', () => {
  it('direct: by equality', () => {
    const table = [member('a', '', 'one'), member('b', '', 'two'), member('a', '', 'three')]
    expect(bindings.route(table, 'a')).toEqual(['one', 'three'])
    expect(bindings.route(table, 'c')).toEqual([])
  })

  it('WIRE-26: topic: as AMQP, by kombu’s pattern; a binding of 5.6 and of 5.7 counts once (D57-33)', () => {
    const table = [
      member('a.*.b', '^a\\.[^\\.]+\\.b$', 'new'),
      member('a.*.b', '^a\\..*?[^\\.]\\.b$', 'new'),
      member('worker.#', '^worker\\..*?$', 'all'),
      member('task_x-1.#', '^task\\_x\\-1\\..*?$', 'escaped'),
    ]
    expect(bindings.route(table, 'a.x.b')).toEqual(['new'])
    expect(bindings.route(table, 'a.x.y.b')).toEqual([])
    expect(bindings.route(table, 'worker')).toEqual(['all'])
    expect(bindings.route(table, 'worker.x.y')).toEqual(['all'])
    expect(bindings.route(table, 'task_x-1.z')).toEqual(['escaped'])
  })

  it('patterns by a foreign hand are followed, broken ones match nothing, broken members are passed over', () => {
    const table = [
      member('x', '^only(this|that)$', 'odd'),
      member('y', '(', 'broken'),
      'nonsense',
      member('', '', ''),
    ]
    expect(bindings.route(table, 'onlythat')).toEqual(['odd'])
    expect(bindings.route(table, 'y')).toEqual([])
  })
})
