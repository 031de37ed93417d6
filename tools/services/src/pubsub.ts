import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { SERVICE_PORTS } from './ports.ts'
import { findProgram } from './run.ts'
import type { Service } from './service.ts'
import { httpAnswers } from './tcp.ts'

const EMULATOR = 'platform/pubsub-emulator/bin/cloud-pubsub-emulator'

/** Where the Google Cloud SDK lives: as its Debian package, as its archive in the home folder, as Homebrew has it. */
function emulator(): string | undefined {
  const roots = [
    process.env['CLOUDSDK_ROOT_DIR'],
    '/usr/lib/google-cloud-sdk',
    join(process.env['HOME'] ?? '/', 'google-cloud-sdk'),
    '/opt/google-cloud-sdk',
    '/opt/homebrew/share/google-cloud-sdk',
    '/usr/local/share/google-cloud-sdk',
  ]
  return roots.map((root) => root && join(root, EMULATOR)).find((path) => path && existsSync(path))
}

/**
 * Google's Pub/Sub emulator. Clients find it by `PUBSUB_EMULATOR_HOST=host:port`. It keeps everything in memory.
 * Debian does not package it, so it is not installed by this tool.
 */
export const pubsub: Service = {
  name: 'pubsub',
  variable: 'CT_PUBSUB_URL',
  url: `http://127.0.0.1:${SERVICE_PORTS.pubsub}`,
  packages: [],
  needsRoot: false,
  isInstalled: () => emulator() !== undefined && findProgram('java') !== undefined,
  async prepare() {
    const args = ['--host=127.0.0.1', `--port=${SERVICE_PORTS.pubsub}`]
    return [
      {
        label: 'pubsub',
        command: emulator() ?? 'cloud-pubsub-emulator',
        args,
        env: { JAVA_OPTS: '-Xmx256m -XX:+UseSerialGC -XX:TieredStopAtLevel=1' },
      },
    ]
  },
  probe: (url) => httpAnswers(url),
}
