/** What a worker sends for a task, over an app on the memory broker. */
import { memoryBackend, memoryBroker } from '@ct/broker-memory'
import { createApp } from '@ct/client'
import { PublishError, type SignatureDict } from '@ct/contracts'
import { expect, it, vi } from 'vitest'
import { senderOf } from './app-services.ts'

it('D57-62, D57-165: callbacks of which one had to wait are sent again under the ids they had', async () => {
  const app = createApp({
    broker: memoryBroker({ name: 'sender' }),
    backend: memoryBackend({ name: 'sender' }),
  })
  const note = (n: number): SignatureDict => ({
    task: 'note',
    args: [n],
    kwargs: {},
    options: {},
    subtask_type: null,
    immutable: false,
  })
  const sent: string[][] = []
  const refused = new PublishError('away', { retryable: true, maybeDelivered: false })
  const spy = vi.spyOn(app.context.producer, 'publishMany').mockImplementation(async (messages) => {
    sent.push(messages.map(({ headers }) => `${String(headers['group'])} ${String(headers['id'])}`))
    return messages.map((_, index) => (sent.length === 1 && index === 1 ? refused : undefined))
  })
  const sender = senderOf(app.context)
  const [callbacks, others] = [
    [note(1), note(2)],
    [note(1), note(2)],
  ]
  const call = { args: [5], rootId: 'r', parentId: 'p' }
  await expect(sender.callGroup(callbacks, call)).rejects.toMatchObject({ retryable: true })
  const handle = await sender.callGroup(callbacks, call)
  expect(sent[1]).toEqual(sent[0])
  expect(handle.children!.map(({ id }) => `${handle.id} ${id}`)).toEqual(sent[0])
  await sender.callGroup(others, call)
  expect(sent[2]).not.toEqual(sent[0])
  spy.mockRestore()
  await app.close()
})
