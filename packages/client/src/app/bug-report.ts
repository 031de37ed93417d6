/** What a bug report needs: software, platform, servers, the settings that somebody changed (celery/app/utils.py 5.7, `bugreport`). */
import { arch, release, type as systemType } from 'node:os'
import type { AppContext } from './context.ts'
import { settingsAsText } from './settings/setting-display.ts'
import { clientVersion } from './version.ts'

/** Several lines, without secrets. `pool`: that of the worker which answers. */
export function bugReport(
  context: AppContext,
  { pool }: { readonly pool?: string | undefined } = {},
): string {
  const settings = settingsAsText(context.changes())
  return [
    '',
    `software -> ct:${clientVersion} node:${process.versions.node} v8:${process.versions.v8}`,
    `platform -> system:${systemType()} arch:${arch()} kernel version:${release()}`,
    `app      -> ${context.app.name ?? '(no name)'} tasks:${context.tasks.size} defaults:${context.defaults}`,
    ...(pool === undefined ? [] : [`pool     -> ${pool}`]),
    `settings -> transport:${context.broker.describe().url} results:${context.backend?.describe().url ?? 'disabled'}`,
    '',
    ...(settings === '' ? [] : [settings, '']),
  ].join('\n')
}
