import { describe, expect, it } from 'vitest'
import { capturedApp } from '../../test/captured-app.ts'
import { group } from '../canvas/index.ts'
import { localRequest } from './eager.ts'
import { prepareReplacement } from './replace-control.ts'

type Place = Readonly<Record<string, unknown>>

/** Where the list of a group that replaces a task from this place is put together. */
async function placeOfAccumulate(
  from: { readonly exchange: string | null; readonly routingKey: string | null },
  settings: Parameters<typeof capturedApp>[0] = {},
): Promise<Place> {
  await using captured = capturedApp(settings)
  const { app } = captured
  const part = app.task('part', (value: number) => value)
  const none = localRequest('split', {})
  const request = localRequest('split', { id: 'an-id', deliveryInfo: { ...none.deliveryInfo, ...from } })
  const { signature } = prepareReplacement({ app, name: 'split', request }, group([part.s(1), part.s(2)]))
  const { body } = (signature as unknown as { readonly kwargs: { readonly body: unknown } }).kwargs
  const { task, options } = JSON.parse(JSON.stringify(body)) as {
    readonly task: string
    readonly options: Place
  }
  expect(task).toBe('celery.accumulate')
  const places = ['queue', 'exchange', 'routing_key']
  return Object.fromEntries(Object.entries(options).filter(([name]) => places.includes(name)))
}

describe('what replaces a task by a group', () => {
  it('TASK-115: its list is put together in the queue that the task came from, which somebody consumes', async () => {
    expect(await placeOfAccumulate({ exchange: '', routingKey: 'node' })).toEqual({ queue: 'node' })
    expect(await placeOfAccumulate({ exchange: 'media', routingKey: 'media.video' })).toEqual({
      exchange: 'media',
      routing_key: 'media.video',
    })
  })

  it('TASK-115: a route of its own, and Celery’s defaults, are kept', async () => {
    const from = { exchange: '', routingKey: 'node' }
    expect(await placeOfAccumulate(from, { taskRoutes: { 'celery.accumulate': 'lists' } })).toEqual({})
    expect(await placeOfAccumulate(from, { defaults: 'celery' })).toEqual({})
    expect(await placeOfAccumulate({ exchange: null, routingKey: null })).toEqual({})
  })
})
