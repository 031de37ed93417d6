import { ConfigurationError } from '@ct/contracts'

/** A tree of results was walked before all of it was ready. */
export class IncompleteStream extends ConfigurationError {
  constructor(taskId: string) {
    super(
      `The result of task ${taskId} is not ready. Wait for it, or ask for what there is so far: intermediate: true (ct graph --intermediate).`,
      {
        details: { taskId },
      },
    )
  }
}
