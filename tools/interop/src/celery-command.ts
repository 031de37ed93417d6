import { run, type RunResult } from '@ct-tools/services'
import { type CeleryVersion, ensurePython, type PythonApp, pythonEnvironment } from './python-environment.ts'

/** Runs the real `celery` command to its end, e.g. `runCelery('5.7', ['inspect', 'ping'], { broker })`. */
export async function runCelery(
  version: CeleryVersion,
  args: readonly string[],
  app: PythonApp,
  timeoutMs: number = 30_000,
): Promise<RunResult> {
  const { python } = await ensurePython(version)
  const env = { ...pythonEnvironment(app), NO_COLOR: '1' }
  return run(python, ['-m', 'celery', '-A', 'interop_tasks', ...args], { env, timeoutMs, guarded: true })
}
