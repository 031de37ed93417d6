import { Buffer } from 'node:buffer'
import { expect, it } from 'vitest'
import { hashSlot } from './connection/hash-slot.ts'
import { Keys } from './keys.ts'
import { brokerSettings } from './options/broker-options.ts'

it('ROUTE-33, TRANS-40: lists by priority step', () => {
  const keys = new Keys(brokerSettings({}))
  const steps = [undefined, -1, 0, 2, 3, 5, 6, 8, 9, 255].map((priority) => keys.list('q', priority).slice(1))
  expect(steps).toEqual([
    '',
    '',
    '',
    '',
    '\x06\x163',
    '\x06\x163',
    '\x06\x166',
    '\x06\x166',
    '\x06\x169',
    '\x06\x169',
  ])
  const other = new Keys(brokerSettings({ prioritySteps: [0, 5], sep: ':', globalKeyprefix: 'p/' }))
  expect(other.lists('q')).toEqual(['p/q', 'p/q:5'])
  expect(other.list('q', 9)).toBe('p/q:5')
})

it('TRANS-36: channels and patterns of fanout exchanges', () => {
  const keys = new Keys(brokerSettings({ url: 'redis://h/3' }))
  expect(keys.fanoutChannels('celeryev', 'task.multi')).toEqual(['/3.celeryev/task.multi'])
  expect(keys.fanoutChannels('celery.pidbox', '')).toEqual(['/3.celery.pidbox'])
  expect(keys.fanoutPatterns('celeryev', 'worker.#')).toEqual(['/3.celeryev/worker.*'])
  expect(keys.fanoutPatterns('odd[1]', '')).toEqual(['/3.odd\\[1\\]'])
  const plain = new Keys(brokerSettings({ fanoutPatterns: false, fanoutPrefix: false }))
  expect(plain.fanoutChannels('celeryev', 'task.multi')).toEqual(['celeryev'])
})

it('TRANS-37: every key has the prefix', () => {
  const keys = new Keys(brokerSettings({ globalKeyprefix: 'p:' }))
  const names = [
    keys.unacked,
    keys.unackedIndex,
    keys.unackedMutex,
    keys.starts,
    keys.binding('x'),
    keys.permanentBinding('x'),
  ]
  for (const name of [...names, keys.bindingDeadlines, keys.parked('q'), ...keys.fanoutChannels('x', '')])
    expect(name).toMatch(/^p:/)
})

it('TRANS-30: cluster slots', () => {
  // From the cluster specification and CLUSTER KEYSLOT.
  expect(hashSlot(Buffer.from('123456789'))).toBe(12739)
  expect(hashSlot(Buffer.from('{user1000}.following'))).toBe(hashSlot(Buffer.from('user1000')))
  expect(hashSlot(Buffer.from('foo{}{bar}'))).not.toBe(hashSlot(Buffer.from('bar')))
  expect(hashSlot(Buffer.from('foo{{bar}}zap'))).toBe(hashSlot(Buffer.from('{bar')))
})

it('D57-35: behind Sentinel, also the fanout channel of kombu before 5.4', () => {
  const keys = new Keys(
    brokerSettings({ url: 'sentinel://s/2', masterName: 'm', sentinelFanoutCompat: true }),
  )
  expect(keys.fanoutChannels('celery.pidbox', '')).toEqual(['/2.celery.pidbox', '/{db}.celery.pidbox'])
  expect(keys.fanoutPatterns('celeryev', '#')).toEqual(['/2.celeryev/*', '/{db}.celeryev/*'])
})
