/** The answer to `report`: software, platform and settings, for bug reports. Secrets are hidden. */
import { arch, release, type as systemType } from 'node:os'
import { settingsForDisplay } from '@ct/client'
import { workerVersion } from '../version.ts'
import type { CommandTarget } from './command.ts'

export function report({ context, pool }: CommandTarget): string {
  const server = context.broker.describe()
  const lines = [
    '',
    `software -> ct:${workerVersion} node:${process.versions.node} v8:${process.versions.v8}`,
    `platform -> system:${systemType()} arch:${arch()} kernel version:${release()}`,
    `pool     -> ${pool.name}`,
    `settings -> transport:${server.transport} results:${context.backend?.describe().url ?? 'disabled'}`,
    '',
    ...Object.entries(settingsForDisplay(context.settings))
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, value]) => `${name}: ${JSON.stringify(value)}`),
    '',
  ]
  return lines.join('\n')
}
