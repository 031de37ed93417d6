import { describe, expect, it } from 'vitest'
import {
  bindingsOf,
  legacyTopicPattern,
  LocalBindings,
  patternMatches,
  route,
  topicMatches,
  topicPattern,
} from './index.ts'

describe('topicPattern', () => {
  it('D57-33, TRANS-10: writes what kombu 5.7 stores for a topic binding', () => {
    expect(topicPattern('worker.#')).toBe('^worker\\..*?$')
    expect(topicPattern('a.*.b')).toBe('^a\\.[^\\.]+\\.b$')
    expect(topicPattern('task_x-1.#')).toBe('^task\\_x\\-1\\..*?$')
    expect(topicPattern('#')).toBe('^.*?$')
    expect(topicPattern('a b.ü')).toBe('^a\\ b\\.ü$')
  })

  it('writes what kombu 5.6 stored, to be removed along with the new one', () => {
    expect(legacyTopicPattern('a.*.b')).toBe('^a\\..*?[^\\.]\\.b$')
    expect(legacyTopicPattern('worker.#')).toBe(topicPattern('worker.#'))
  })

  it('matches as kombu does, which is as AMQP does but for # and no word', () => {
    expect(patternMatches(topicPattern('a.*'), 'a.b')).toBe(true)
    expect(patternMatches(topicPattern('a.*'), 'a.b.c')).toBe(false)
    expect(patternMatches(legacyTopicPattern('a.*.b'), 'a.x.y.b')).toBe(true)
    expect(patternMatches(topicPattern('worker.#'), 'worker')).toBe(false)
    expect(patternMatches(topicPattern('task_x-1.#'), 'task_x-1.y')).toBe(true)
  })

  it('an expression that does not compile matches nothing', () => {
    expect(patternMatches('^(', 'x')).toBe(false)
    expect(patternMatches('^(', 'x')).toBe(false)
  })
})

describe('topicMatches', () => {
  const cases: readonly (readonly [binding: string, key: string, matches: boolean])[] = [
    ['#', '', true],
    ['#', 'a', true],
    ['#', 'a.b.c', true],
    ['*', '', false],
    ['*', 'a', true],
    ['*', 'a.b', false],
    ['a.#', 'a', true],
    ['a.#', 'a.b.c', true],
    ['a.#', 'ab', false],
    ['#.a', 'a', true],
    ['#.a', 'x.y.a', true],
    ['#.a', 'x.y.b', false],
    ['a.#.b', 'a.b', true],
    ['a.#.b', 'a.x.b.y.b', true],
    ['a.#.b', 'a.x.b.y', false],
    ['#.*', '', false],
    ['#.*', 'a', true],
    ['*.#.c.*', 'a.c.c.d', true],
    ['a.b', 'a.b', true],
    ['a.b', 'a.c', false],
    ['', '', true],
    ['', 'a', false],
  ]

  it.each(cases)('AMQP: %j takes %j: %j', (binding, key, matches) => {
    expect(topicMatches(binding, key)).toBe(matches)
  })

  it('takes no time over hostile keys', () => {
    const started = process.cpuUsage()
    topicMatches('#.a.'.repeat(200) + 'b', 'a.'.repeat(5_000) + 'c')
    // Microseconds of work: a machine that stands still adds none.
    expect(process.cpuUsage(started).user).toBeLessThan(1_000_000)
  })
})

describe('route', () => {
  const bind = (queue: string, exchangeType: string, routingKey: string) => ({
    exchange: 'x',
    exchangeType,
    routingKey,
    queue,
  })

  it('TRANS-13: the default exchange is the queue of that name, bound or not', () => {
    expect(route({ exchange: '', routingKey: 'q' }, [])).toEqual(['q'])
  })

  it('names each queue once, however many of its bindings match', () => {
    const bindings = [bind('q', 'topic', '#'), bind('q', 'topic', 'a'), bind('r', 'direct', 'a')]
    expect(route({ exchange: 'x', routingKey: 'a' }, bindings)).toEqual(['q', 'r'])
  })

  it('fanout does not look at the key', () => {
    const bindings = [bind('q', 'fanout', 'k'), bind('r', 'fanout', '')]
    expect(route({ exchange: 'x', routingKey: 'z' }, bindings)).toEqual(['q', 'r'])
  })
})

describe('LocalBindings', () => {
  it('keeps a binding once, and drops those of a queue that goes', () => {
    const table = new LocalBindings()
    for (let round = 0; round < 3; round++) {
      table.bind({ exchange: 'x', exchangeType: 'direct', routingKey: 'a', queue: 'q' })
      table.bind({ exchange: 'x', exchangeType: 'direct', routingKey: 'a', queue: 'r' })
    }
    expect(table.bindings('x')).toHaveLength(2)
    table.unbind('q')
    expect(table.bindings('x').map(({ queue }) => queue)).toEqual(['r'])
    table.unbind('r')
    expect(table.bindings('x')).toEqual([])
  })

  it('bindingsOf refuses exchanges that the kit cannot emulate', () => {
    const exchange = { name: 'x', type: 'headers', durable: true, autoDelete: false }
    const queue = { name: 'q', durable: true, exclusive: false, autoDelete: false }
    expect(() => bindingsOf({ ...queue, bindings: [{ exchange, routingKey: '' }] })).toThrow(/headers/)
    expect(
      bindingsOf({ ...queue, bindings: [{ exchange: { ...exchange, name: '' }, routingKey: 'q' }] }),
    ).toEqual([])
  })
})
