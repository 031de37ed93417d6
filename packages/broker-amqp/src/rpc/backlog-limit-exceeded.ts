import { BackendError } from '@ct/contracts'

/**
 * More results came than this process keeps until they are asked for (`maxCached`), and those of `details.taskIds` had to go. Their tasks have run, or are
 * running; RabbitMQ has no copy. Celery raises its own of this name when polling finds too many messages (celery/backends/rpc.py 5.7).
 */
export class BacklogLimitExceeded extends BackendError {
  constructor(taskIds: readonly string[], limit: number) {
    super(
      `The result of ${taskIds.length === 1 ? `task ${taskIds[0]}` : `${taskIds.length} tasks`} came and was dropped, because nobody asked for it while ${limit} others came. ` +
        `Ask earlier, forget() or ignore results that nobody wants, or raise maxCached of rpcBackend().`,
      { details: { taskIds } },
    )
  }
}
