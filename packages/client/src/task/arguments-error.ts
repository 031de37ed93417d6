import { TaskError } from '@ct/contracts'
import type { TaskErrorOptions } from '@ct/contracts'

/** Arguments do not fit the parameters of a task; Python knows it as `TypeError`. Code `CT_ARGUMENTS`. */
export class ArgumentsError extends TaskError {
  constructor(message: string, options?: TaskErrorOptions) {
    super('CT_ARGUMENTS', message, { excType: 'TypeError', excModule: 'builtins', args: [message] }, options)
  }
}
