import { connect, type Channel, type ConsumeMessage } from 'amqplib'
import { countdown, fromCallers, timed } from '../../contestant.ts'
import type { RabbitContestant } from '../contestant.ts'
import { taskBody, taskProperties, taskQueue } from '../message.ts'

/** What a result message has to hold, and nothing else. */
function work(message: ConsumeMessage): { readonly document: Buffer; readonly id: string } {
  const [[x = 0, y = 0]] = JSON.parse(message.content.toString()) as [number[]]
  const id = String(message.properties.headers?.['id'])
  const document = JSON.stringify({
    task_id: id,
    status: 'SUCCESS',
    result: x + y,
    traceback: null,
    children: [],
  })
  return { document: Buffer.from(document), id }
}

const resultOptions = (id: string) => ({
  contentType: 'application/json',
  contentEncoding: 'utf-8',
  correlationId: id,
  deliveryMode: 1,
})

async function drain(
  url: string,
  tasks: number,
  prefetch: number,
  confirmed: boolean,
): Promise<{ seconds: number; cpuSeconds: number }> {
  const connection = await connect(url)
  const channel: Channel = await connection.createChannel()
  const results = confirmed ? await connection.createConfirmChannel() : channel
  await channel.prefetch(prefetch)
  const done = countdown(tasks)
  const started = Promise.withResolvers<void>()
  const consuming = channel.consume(taskQueue, (message) => {
    if (message === null) return
    started.resolve()
    const { document, id } = work(message)
    const { replyTo } = message.properties as { readonly replyTo: string }
    const acknowledge = (): void => {
      channel.ack(message)
      done.hit()
    }
    if (!confirmed) {
      results.publish('', replyTo, document, resultOptions(id))
      acknowledge()
    } else {
      ;(results as Awaited<ReturnType<typeof connection.createConfirmChannel>>).publish(
        '',
        replyTo,
        document,
        resultOptions(id),
        acknowledge,
      )
    }
  })
  await started.promise
  const result = await timed(async () => {
    await consuming
    await done.reached
    await channel.close()
  })
  await connection.close()
  return result
}

export const plainLoop: RabbitContestant = {
  name: 'plain amqplib',
  about:
    'amqplib 2: consume → JSON → publish the result → ack, one channel, results unconfirmed; publishing: a confirm per message, all in flight at once',
  prefetches: [200, 400, 1000],
  drain: (url, tasks, prefetch) => drain(url, tasks, prefetch, false),
  async publish(url, tasks, callers) {
    const connection = await connect(url)
    const channel = await connection.createConfirmChannel()
    await channel.assertQueue(taskQueue)
    const send = (n: number): Promise<void> =>
      new Promise((resolve, reject) => {
        channel.publish('', taskQueue, taskBody(n), taskProperties(n), (error) =>
          error === null || error === undefined ? resolve() : reject(error as Error),
        )
      })
    await send(0)
    const result = await timed(() => fromCallers(tasks, callers, send))
    await connection.close()
    return result
  },
}

export const confirmedLoop: RabbitContestant = {
  name: 'plain amqplib, confirmed',
  about: 'the same, acknowledging a task when its result is confirmed, as ct does',
  prefetches: [200, 400, 1000],
  drain: (url, tasks, prefetch) => drain(url, tasks, prefetch, true),
}
