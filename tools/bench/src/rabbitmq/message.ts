/** The task message that every contestant works off and the publishers send: Celery's protocol 2, as ct and Celery write it. */
import { type ConfirmChannel, connect, type Options } from 'amqplib'

export const taskName = 'interop_tasks.add'
export const taskQueue = 'celery'
/** Takes the results of all contestants, and keeps them. */
export const resultQueue = 'bench.results'
/** The worker's, where it can be chosen. */
export const hostname = 'w@bench'

export function taskBody(n: number): Buffer {
  return Buffer.from(`[[${n}, 1], {}, {"callbacks": null, "errbacks": null, "chain": null, "chord": null}]`)
}

export function taskProperties(n: number): Options.Publish {
  const id = crypto.randomUUID()
  return {
    contentType: 'application/json',
    contentEncoding: 'utf-8',
    deliveryMode: 2,
    priority: 0,
    correlationId: id,
    replyTo: resultQueue,
    headers: {
      lang: 'js',
      task: taskName,
      id,
      shadow: null,
      eta: null,
      expires: null,
      group: null,
      group_index: null,
      retries: 0,
      timelimit: [null, null],
      root_id: id,
      parent_id: null,
      argsrepr: `(${n}, 1)`,
      kwargsrepr: '{}',
      origin: 'gen1@bench',
      ignore_result: false,
      replaced_task_nesting: 0,
      stamped_headers: null,
      stamps: {},
    },
  }
}

/** Fills the task queue, and makes the queue of the results. */
export async function fill(url: string, tasks: number): Promise<void> {
  const connection = await connect(url)
  const channel: ConfirmChannel = await connection.createConfirmChannel()
  await channel.assertQueue(taskQueue)
  await channel.assertQueue(resultQueue)
  for (let n = 0; n < tasks; n += 1) {
    channel.publish('', taskQueue, taskBody(n), taskProperties(n))
    if (n % 1000 === 999) await channel.waitForConfirms()
  }
  await channel.waitForConfirms()
  await connection.close()
}
