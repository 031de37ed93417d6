import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { cacheDirectory, ensureVenv, isCi, say, ServiceError, type Venv } from '@ct-tools/services'

/** The releases of Celery that ct is tested against: 5.7.0, and 5.4.0 as the oldest. */
export const PYTHON_VERSIONS = ['5.7', '5.4'] as const
export type CeleryVersion = (typeof PYTHON_VERSIONS)[number]

/** An environment: a release of Celery, or the newest of them with Flower, or with OpenTelemetry. */
export type PythonName = CeleryVersion | 'flower' | 'otel'

const PYTHON_FOLDER = fileURLToPath(new URL('../python', import.meta.url))

/** Where the Python side talks to, and how it is set up. Keys of `config` are Celery's lower-case names. */
export interface PythonApp {
  broker?: string
  backend?: string
  config?: Record<string, unknown>
  /** Python source run after the tasks are defined, with `app` in scope: queues, signals, further tasks. */
  setup?: string
  /** Folders with further Python modules, e.g. for `config.imports`. */
  path?: readonly string[]
  /** More environment variables. */
  env?: Readonly<Record<string, string>>
}

/** A Python environment, made when it is not there yet. See `ensureVenv` for its errors. */
export function ensurePython(name: PythonName): Promise<Venv> {
  return ensureVenv(
    name === 'flower' || name === 'otel' ? name : `celery-${name}`,
    join(PYTHON_FOLDER, `requirements-${name}.txt`),
  )
}

/**
 * Whether interop tests can run: makes the environments of these releases (default: all). Without a Python, `false` and a
 * notice, so that a suite can be skipped; with `CI` set that is an error.
 */
export async function tryPython(...versions: readonly PythonName[]): Promise<boolean> {
  try {
    for (const version of versions.length > 0 ? versions : PYTHON_VERSIONS) await ensurePython(version)
    return true
  } catch (error) {
    if (isCi() || !(error instanceof ServiceError) || error.code !== 'CT_SERVICE_MISSING') throw error
    say('interop', `${error.message}\ninterop: tests with Python Celery are skipped`)
    return false
  }
}

/** The environment variables of a Python process of ours. */
export function pythonEnvironment(app: PythonApp, record?: string): NodeJS.ProcessEnv {
  const { broker, backend, config, setup, path = [], env = {} } = app
  return {
    ...process.env,
    CT_INTEROP: JSON.stringify({ broker, backend, config, setup, record }),
    PYTHONPATH: [PYTHON_FOLDER, ...path].join(delimiter),
    // Compiled files belong in the cache, not beside the sources.
    PYTHONPYCACHEPREFIX: cacheDirectory('python', 'bytecode'),
    PYTHONUNBUFFERED: '1',
    PYTHONUTF8: '1',
    // Root in a container may accept pickle.
    C_FORCE_ROOT: '1',
    ...env,
  }
}
