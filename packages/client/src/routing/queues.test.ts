import { describe, expect, it } from 'vitest'
import { Broadcast, Exchange, Queue, Queues } from './index.ts'

describe('queues of an app', () => {
  it('ROUTE-20, SET-154: every accepted form of taskQueues', () => {
    const forms = [
      { images: { exchange: 'media', routing_key: 'image' } },
      { images: { exchange: 'media', bindingKey: 'image' } },
      [{ name: 'images', exchange: 'media', routingKey: 'image' }],
      [new Queue('images', { exchange: 'media', routingKey: 'image' })],
      new Set([new Queue('images', { exchange: new Exchange('media'), routingKey: 'image' })]),
    ]
    for (const taskQueues of forms) {
      const queues = new Queues({ taskQueues: taskQueues as never })
      expect(queues.names()).toEqual(['images'])
      expect(queues.get('images').declaration.bindings).toEqual([
        {
          exchange: { name: 'media', type: 'direct', durable: true, autoDelete: false },
          routingKey: 'image',
        },
      ])
    }
  })

  it('ROUTE-20: a mapping without a key binds by the name; a queue object without one by the default key', () => {
    const mapped = new Queues({ taskQueues: { a: {} } }).get('a')
    expect(mapped.routingKey).toBe('a')
    expect(mapped.exchange!.name).toBe('celery')
    const made = new Queues({ taskQueues: [new Queue('a')] }).get('a')
    expect(made.routingKey).toBe('celery')
  })

  it('ROUTE-20: unknown options are refused with a suggestion', () => {
    expect(() => new Queues({ taskQueues: { a: { routeingKey: 'x' } as never } })).toThrow(
      /Did you mean "routingKey"/,
    )
    expect(() => new Queues({ taskQueues: [{ exchange: 'x' } as never] })).toThrow(/no name/)
    expect(() => new Queues({ taskQueues: 'celery' as never })).toThrow(/taskQueues/)
  })

  it('ROUTE-20: friendly options become arguments, seconds become whole milliseconds', () => {
    const { declaration } = new Queue('q', {
      expires: 1.5,
      messageTtl: 0.0129,
      maxLength: 10,
      maxLengthBytes: 100,
      maxPriority: 9,
      queueArguments: { 'x-queue-mode': 'lazy', 'x-max-length': 99 },
    })
    expect(declaration.arguments).toEqual({
      'x-queue-mode': 'lazy',
      'x-expires': 1500,
      'x-message-ttl': 12,
      'x-max-length': 10,
      'x-max-length-bytes': 100,
      'x-max-priority': 9,
    })
  })

  it('ROUTE-20 ROUTE-21: exclusive implies auto-delete; server exchanges are not declared', () => {
    expect(new Queue('q', { exclusive: true }).declaration).toMatchObject({
      exclusive: true,
      autoDelete: true,
    })
    expect(new Exchange('amq.topic').declaration.noDeclare).toBe(true)
  })

  it('ROUTE-22: several bindings', () => {
    const queue = new Queues({
      taskQueues: {
        q: {
          bindings: [
            { exchange: 'a', routing_key: '1' } as never,
            { exchange: new Exchange('b', { type: 'fanout' }) },
          ],
        },
      },
    }).get('q')
    expect(queue.declaration.bindings).toMatchObject([
      { exchange: { name: 'a' }, routingKey: '1' },
      { exchange: { name: 'b', type: 'fanout' }, routingKey: '' },
    ])
  })

  it('ROUTE-23: aliases', () => {
    const queues = new Queues({ taskQueues: [new Queue('real', { alias: 'nick' })] })
    expect(queues.get('nick').name).toBe('real')
    queues.remove('nick')
    expect(queues.has('real')).toBe(false)
  })

  it('ROUTE-24, SET-136, SET-137: missing queues by type and exchange type', () => {
    const queues = new Queues({
      taskCreateMissingQueueType: 'quorum',
      taskCreateMissingQueueExchangeType: 'topic',
    })
    expect(queues.get('q').declaration).toMatchObject({
      arguments: { 'x-queue-type': 'quorum' },
      bindings: [{ exchange: { name: 'q', type: 'topic' }, routingKey: 'q' }],
    })
    expect(() => new Queues({ taskCreateMissingQueueType: 'lazy' })).toThrow(/"classic" or "quorum"/)
  })

  it('ROUTE-25, SET-144: the type of the default queue', () => {
    expect(new Queues({ taskDefaultQueueType: 'quorum' }).get('celery').queueArguments).toEqual({
      'x-queue-type': 'quorum',
    })
  })

  it('ROUTE-26: a broadcast queue', () => {
    const queue = new Queues({ taskQueues: [new Broadcast('news')] }).get('news')
    expect(queue.isBroadcast).toBe(true)
    expect(queue.declaration).toMatchObject({
      durable: true,
      autoDelete: true,
      bindings: [{ exchange: { name: 'news', type: 'fanout' }, routingKey: 'celery' }],
    })
    expect(new Broadcast('news', { queue: 'mine' }).name).toBe('mine')
    expect(new Broadcast('news', { queue: 'mine', unique: true }).name).toMatch(/^mine\.[0-9a-f-]{36}$/)
  })

  it('ROUTE-27 SET-153 D57-124: taskQueueMaxPriority for queues that have none', () => {
    const queues = new Queues({
      taskQueueMaxPriority: 5,
      taskQueues: { a: {}, b: { queueArguments: { 'x-max-priority': 2 } }, c: { maxPriority: 3 } },
    })
    const arg = (name: string): unknown => queues.get(name).declaration.arguments?.['x-max-priority']
    expect([arg('a'), arg('b'), arg('c'), arg('missing')]).toEqual([5, 2, 3, 5])
  })

  it('ROUTE-45 APP-77: select, deselect, selectAdd', () => {
    const queues = new Queues({ taskQueues: { a: {}, b: {}, c: {} } })
    expect([...queues.consumeFrom.keys()]).toEqual(['a', 'b', 'c'])
    queues.deselect('b')
    expect([...queues.consumeFrom.keys()]).toEqual(['a', 'c'])
    queues.select(['c', 'new'])
    expect([...queues.consumeFrom.keys()]).toEqual(['c', 'new'])
    queues.selectAdd('more', { exchange: 'x', exchangeType: 'topic', routingKey: 'k' })
    expect([...queues.consumeFrom.keys()]).toEqual(['c', 'new', 'more'])
    queues.deselect(['more'])
    expect([...queues.consumeFrom.keys()]).toEqual(['c', 'new'])
    expect(queues.has('more')).toBe(true)
  })

  it('the default queue is created when taskQueues does not list it', () => {
    const queues = new Queues({ taskQueues: { other: {} } })
    expect(queues.get('celery').declaration.bindings).toMatchObject([
      { exchange: { name: 'celery' }, routingKey: 'celery' },
    ])
  })
})
