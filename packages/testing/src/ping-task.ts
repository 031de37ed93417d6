/** The task that a test worker is asked to run before a test may use it (celery/contrib/testing/tasks.py 5.7). */
import type { App } from '@ct/client'

export const pingTask = 'celery.ping'

/** Registers `celery.ping`, which returns `pong`. Modules that pools of threads and child processes load call it themselves. */
export function registerPing(app: App): void {
  if (![...app.tasks].some(({ name }) => name === pingTask)) app.task(pingTask, () => 'pong')
}
