import type { WorkerParts } from './worker-parts.ts'

/** Takes in what was defined since the start, rate limits included. */
export async function reload(parts: WorkerParts, modules: readonly string[]): Promise<void> {
  await restartPool(parts, modules)
  resetRateLimits(parts)
}

/** New modules bring new tasks. */
export async function restartPool(
  { workerPool, tasks }: WorkerParts,
  modules: readonly string[],
): Promise<void> {
  await workerPool.restart(modules, () => tasks.collect())
}

/** Every rate limit starts anew with what its task says. */
export function resetRateLimits({ tasks, reception }: WorkerParts): void {
  for (const strategy of tasks.strategies.values()) {
    strategy.setRateLimit(strategy.options.rateLimit)
    reception.resetRateLimit(strategy)
  }
}
