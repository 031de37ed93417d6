import { cwd } from 'node:process'
import type { App } from '@ct/client'
import { locateModule } from './find-app.ts'

/**
 * What `importModules` and `app.autodiscoverTasks` bring, then the settings `imports` and `include`, then `-I` (WORK-6): each is run, so that its
 * tasks are registered. Resolves to the URLs of all of them.
 */
export async function loadModules(
  app: App,
  main: string | undefined,
  include: readonly string[],
): Promise<string[]> {
  const urls = [...(main === undefined ? [] : [main]), ...(await app.importModules())]
  for (const name of [...app.settings.imports, ...app.settings.include, ...include]) {
    const url = locateModule(name, cwd(), '--include')
    if (urls.includes(url)) continue
    urls.push(url)
    await import(url)
  }
  return urls
}
