import { fileURLToPath } from 'node:url'
import { SERVICE_PORTS } from './ports.ts'
import { ensureVenv, venvIsMade } from './python-venv.ts'
import type { Service } from './service.ts'
import { httpAnswers } from './tcp.ts'

const REQUIREMENTS = fileURLToPath(new URL('../python/requirements-sqs.txt', import.meta.url))

/** An SQS server: moto, in a Python environment of its own. Any access key will do. */
export const sqs: Service = {
  name: 'sqs',
  variable: 'CT_SQS_URL',
  url: `http://127.0.0.1:${SERVICE_PORTS.sqs}`,
  packages: [],
  needsRoot: false,
  isInstalled: () => venvIsMade('moto', REQUIREMENTS),
  async install() {
    await ensureVenv('moto', REQUIREMENTS)
  },
  async prepare() {
    const { script } = await ensureVenv('moto', REQUIREMENTS)
    const args = ['-H', '127.0.0.1', '-p', String(SERVICE_PORTS.sqs)]
    return [{ label: 'sqs', command: script('moto_server'), args }]
  },
  probe: (url) => httpAnswers(`${url}/moto-api/data.json`),
  async wipe(url) {
    await fetch(`${url}/moto-api/reset`, { method: 'POST', signal: AbortSignal.timeout(5000) })
  },
}
