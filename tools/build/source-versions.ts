import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

export interface SourceVersion {
  /** The source file, relative to the workspace. */
  readonly path: string
  /** The version it names, as in `export const workerVersion = '1.2.3'`. */
  readonly named: string
  /** The version of its package. */
  readonly version: string
}

/** The files `version.ts` of the packages that name a version as text. */
export function sourceVersions(workspace: string): SourceVersion[] {
  return globSync('packages/*/src/**/version.ts', { cwd: workspace }).flatMap((path) => {
    const named = /Version = '([^']+)'/.exec(readFileSync(join(workspace, path), 'utf8'))?.[1]
    if (named === undefined) return []
    const folder = path.split(/[\\/]/, 2).join('/')
    const { version } = JSON.parse(readFileSync(join(workspace, folder, 'package.json'), 'utf8')) as {
      readonly version: string
    }
    return [{ path, named, version }]
  })
}
