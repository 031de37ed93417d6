import { describe, expect, it, vi } from 'vitest'
import { Broadcast, Exchange, Queue, Queues, Router } from './index.ts'
import type { QueueSettings, RouteOptions, TaskRoutes } from './index.ts'

function router(taskRoutes?: TaskRoutes | null, settings: QueueSettings = {}): Router {
  return new Router(new Queues(settings), { taskRoutes })
}

describe('where a task goes', () => {
  it('ROUTE-7 ROUTE-8: nothing configured: the default exchange with the name of the default queue as key', () => {
    const to = router().route('tasks.add')
    expect(to).toMatchObject({
      exchange: '',
      routingKey: 'celery',
      exchangeType: 'direct',
      queueName: 'celery',
      deliveryMode: 2,
      priority: 0,
    })
    expect(to.declare).toMatchObject([
      {
        name: 'celery',
        durable: true,
        bindings: [{ exchange: { name: 'celery', type: 'direct', durable: true }, routingKey: 'celery' }],
      },
    ])
  })

  it('ROUTE-7, SET-143: the default queue changed names exchange and key after itself', () => {
    const to = router(null, { taskDefaultQueue: 'main' }).route('t')
    expect(to.routingKey).toBe('main')
    expect(to.declare[0]!.bindings).toMatchObject([{ exchange: { name: 'main' }, routingKey: 'main' }])
  })

  it('ROUTE-2: exact names are tried before patterns, whatever the order', () => {
    const routes = router({ 'feed.*': 'globbed', 'feed.import': { queue: 'exact' } })
    expect(routes.route('feed.import').queueName).toBe('exact')
    expect(routes.route('feed.other').queueName).toBe('globbed')
    expect(routes.route('other').queueName).toBe('celery')
  })

  it('ROUTE-2 D57-204: only a star makes a glob', () => {
    const routes = router({ 'mail.sen?': 'a', 'img.[ab]*': 'b' })
    expect(routes.route('mail.send').queueName).toBe('celery')
    expect(routes.route('mail.sen?').queueName).toBe('a')
    expect(routes.route('img.a.resize').queueName).toBe('b')
    expect(routes.route('img.c').queueName).toBe('celery')
  })

  it('ROUTE-2 D57-204: expressions match from the start, in the order given', () => {
    const routes = router([
      [/video\./, 'media'],
      [/(video|image)\..*/g, 'later'],
    ])
    expect(routes.route('video.encode').queueName).toBe('media')
    expect(routes.route('image.crop').queueName).toBe('later')
    expect(routes.route('image.crop').queueName).toBe('later')
    expect(routes.route('my.video.encode').queueName).toBe('celery')
  })

  it('ROUTE-2: a list of pairs keeps its order, also wrapped in a list as Celery wants it', () => {
    const pairs = [
      ['a.b.*', 'first'],
      ['a.*', 'second'],
    ] as const
    for (const routes of [router(pairs), router([pairs]), router(new Map(pairs))]) {
      expect(routes.route('a.b.c').queueName).toBe('first')
      expect(routes.route('a.c').queueName).toBe('second')
    }
  })

  it('ROUTE-1, SET-157: of several routers the first that answers anything but null wins', () => {
    const asked: string[] = []
    const routes = router([
      () => {
        asked.push('one')
        return null
      },
      { t: 'two' },
      () => {
        asked.push('three')
        return 'three'
      },
    ])
    expect(routes.route('t').queueName).toBe('two')
    expect(asked).toEqual(['one'])
    expect(routes.route('other').queueName).toBe('three')
  })

  it('ROUTE-3: a function is told name, args, kwargs, options and task', () => {
    const route = vi.fn(() => 'q')
    const task = { name: 't' }
    router(route).route('t', { priority: 4 }, { args: [1], kwargs: { a: 2 }, task })
    expect(route).toHaveBeenCalledWith('t', [1], { a: 2 }, { priority: 4 }, task)
  })

  it('ROUTE-4: an object with routeForTask', () => {
    const routes = router({
      routeForTask: (_name: string, args: readonly unknown[]) => (args.length > 1 ? 'many' : null),
    })
    expect(routes.route('t', {}, { args: [1, 2], kwargs: {} }).queueName).toBe('many')
    expect(routes.route('t', {}, { args: [], kwargs: {} }).queueName).toBe('celery')
  })

  it('ROUTE-5: options of the call win over the route, null ones do not; a queue in the call still asks the routes', () => {
    const routes = router({ t: { queue: 'routed', priority: 7, serializer: 'yaml' } })
    const to = routes.route('t', { queue: 'called', serializer: null, compression: 'zlib' })
    expect(to.queueName).toBe('called')
    expect(to.priority).toBe(7)
    expect(to.options).toMatchObject({ serializer: 'yaml', compression: 'zlib' })
  })

  it('D57-204: {} from a function ends the search with the default queue', () => {
    expect(router([() => ({}), { t: 'never' }]).route('t').queueName).toBe('celery')
  })

  it('ROUTE-6 ROUTE-24 SET-138: an unknown queue is created with exchange and key of its name, or refused', () => {
    const to = router({ t: 'fresh' }).route('t')
    expect(to.declare[0]).toMatchObject({
      name: 'fresh',
      bindings: [{ exchange: { name: 'fresh', type: 'direct' }, routingKey: 'fresh' }],
    })
    const strict = router({ t: 'imagse' }, { taskCreateMissingQueues: false, taskQueues: { images: {} } })
    expect(() => strict.route('t')).toThrow(/"imagse".*Did you mean "images"/)
    expect(() => strict.route('t')).toThrow(expect.objectContaining({ code: 'CT_QUEUE_NOT_FOUND' }))
  })

  it('ROUTE-9: a topic exchange is published to with the given key, else the queue’s', () => {
    const media = new Exchange('media', { type: 'topic' })
    const routes = router(
      { 'v.*': { queue: 'videos', routingKey: 'media.video.x' }, 'w.*': 'videos' },
      { taskQueues: [new Queue('videos', { exchange: media, routingKey: 'media.video.#' })] },
    )
    expect(routes.route('v.a')).toMatchObject({
      exchange: 'media',
      routingKey: 'media.video.x',
      exchangeType: 'topic',
    })
    expect(routes.route('w.a')).toMatchObject({ exchange: 'media', routingKey: 'media.video.#' })
  })

  it('ROUTE-10: exchange and key given are used as they are, without forcing the default queue', () => {
    const to = router().route('t', { exchange: 'x', routingKey: 'k' })
    expect(to).toMatchObject({ exchange: 'x', routingKey: 'k', exchangeType: 'direct', declare: [] })
    const known = router(null, {
      taskQueues: { q: { exchange: 'x', exchangeType: 'topic', routingKey: 'k.#' } },
    })
    expect(known.route('t', { exchange: 'x', routingKey: 'k.1' }).exchangeType).toBe('topic')
  })

  it('ROUTE-8 D57-204: an exchange without a key counts for nothing on a direct queue', () => {
    expect(router().route('t', { exchange: 'x' })).toMatchObject({ exchange: '', routingKey: 'celery' })
    expect(router().route('t', { queue: 'q', routingKey: 'k' })).toMatchObject({
      exchange: '',
      routingKey: 'q',
    })
  })

  it('ROUTE-11: other routes take effect at once', () => {
    const routes = router({ t: 'a' })
    expect(routes.route('t').queueName).toBe('a')
    routes.setRoutes({ t: 'b' })
    expect(routes.route('t').queueName).toBe('b')
  })

  it('ROUTE-26: a broadcast queue is found by its name and not declared by the publisher', () => {
    const to = router({ t: 'news' }, { taskQueues: [new Broadcast('news')] }).route('t')
    expect(to).toMatchObject({ exchange: 'news', exchangeType: 'fanout', routingKey: 'celery', declare: [] })
    expect(to.queueName).toMatch(/^bcast\.[0-9a-f-]{36}$/)
  })

  it('ROUTE-31 ROUTE-32: priority of the call, else of the route, else 0; null sends none', () => {
    const routes = router({ t: { priority: 3 } })
    expect(routes.route('t', { priority: 9 }).priority).toBe(9)
    expect(routes.route('t').priority).toBe(3)
    expect(routes.route('u').priority).toBe(0)
    expect(routes.route('u', { priority: null }).priority).toBeUndefined()
  })

  it('SET-139: delivery mode: call, exchange, setting', () => {
    const queues = new Queues({ taskQueues: { fast: { exchange: 'fast', deliveryMode: 'transient' } } })
    const routes = new Router(queues, { taskDefaultDeliveryMode: 'persistent' })
    expect(routes.route('t', { queue: 'fast' }).deliveryMode).toBe(1)
    expect(routes.route('t', { queue: 'fast', deliveryMode: 2 }).deliveryMode).toBe(2)
    expect(routes.route('t').deliveryMode).toBe(2)
  })

  it('D57-204: a route that sets what routes cannot set is refused, and so are unknown options', () => {
    expect(() => router({ t: { queue: 'q', expires: 3 } as RouteOptions })).toThrow(
      /"expires", which routes cannot set/,
    )
    expect(() => router({ t: { quue: 'q' } as RouteOptions })).toThrow(/Did you mean "queue"/)
    expect(() => router(() => 3 as never).route('t')).toThrow(/number/)
    expect(() => router('proj.routes.f' as never)).toThrow(/Give the route function itself/)
  })

  it('D57-207: message properties may be routed; snake_case is read', () => {
    const to = router({ t: { MessageGroupId: '1', routing_key: 'k', exchange: 'x' } as RouteOptions }).route(
      't',
    )
    expect(to.options.properties).toEqual({ MessageGroupId: '1' })
    expect(to.routingKey).toBe('k')
  })

  it('remembers what depends on the name alone, and forgets when queues change', () => {
    const routes = router({ t: 'a' })
    const first = routes.route('t')
    expect(routes.route('t')).toBe(first)
    const options = Object.freeze({ priority: 1 })
    expect(routes.route('t', options)).toBe(routes.route('t', options))
    expect(routes.route('t', { priority: 1 })).not.toBe(routes.route('t', { priority: 1 }))
    routes.queues.add(new Queue('a', { exchange: new Exchange('x', { type: 'topic' }), routingKey: 'k' }))
    expect(routes.route('t')).toMatchObject({ exchange: 'x', routingKey: 'k' })
  })

  it('asks a function every time', () => {
    let calls = 0
    const routes = router(() => `q${calls++}`)
    expect(routes.route('t').queueName).toBe('q0')
    expect(routes.route('t').queueName).toBe('q1')
  })
})
