import { Queue } from '@ct/client'
import { BrokerError } from '@ct/contracts'
import { expect, it } from 'vitest'
import { ConsumedQueues } from './consumed-queues.ts'

it('WORK-79: a queue that is refused does not keep the others from being paused and resumed', async () => {
  const done: string[] = []
  const step = (what: string, name: string): Promise<void> => {
    if (name === 'a') return Promise.reject(new BrokerError(`${what} a: refused`))
    done.push(`${what} ${name}`)
    return Promise.resolve()
  }
  const consumer = {
    add: (queue: Queue) => step('add', queue.name),
    cancel: (name: string) => step('cancel', name),
  }
  const queues = new ConsumedQueues([new Queue('a'), new Queue('b')], () => consumer)
  await expect(queues.pause()).rejects.toThrow('cancel a: refused')
  await expect(queues.resume()).rejects.toThrow('add a: refused')
  expect(done).toEqual(['cancel b', 'add b'])
})
