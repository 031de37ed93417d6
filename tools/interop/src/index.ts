export { runCelery } from './celery-command.ts'
export { CeleryProcess, startCelery, type CeleryProcessOptions } from './celery-process.ts'
export { startFlower, type Flower, type FlowerOptions } from './flower.ts'
export { PythonClient, PythonError, python } from './python-client.ts'
export type { PythonMeta, RawMessage, RedisKeyDump } from './python-client.ts'
export {
  ensurePython,
  PYTHON_VERSIONS,
  tryPython,
  type CeleryVersion,
  type PythonApp,
  type PythonName,
} from './python-environment.ts'
export { startPythonWorker, type PythonWorker, type PythonWorkerOptions } from './python-worker.ts'
