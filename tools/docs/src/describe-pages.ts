import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { PageRun, type PageRunOptions } from './page-run.ts'
import type { Page, Step } from './page.ts'

const timeout = 60_000

/** One test per step that runs something; a page's steps share a folder, so they run in order. */
export function describePages(
  pages: readonly Page[],
  prepare: () => Promise<PageRunOptions & { readonly release?: () => Promise<void> }>,
): void {
  describe.each(pages.map((page) => [page.path, page] as const))('%s', (_path, page) => {
    let run: PageRun
    let release: (() => Promise<void>) | undefined
    beforeAll(async () => {
      const prepared = await prepare()
      release = prepared.release
      run = new PageRun(page, prepared)
    }, timeout)
    afterAll(async () => {
      try {
        await run.close()
      } finally {
        await release?.()
      }
    }, timeout)
    it.each(page.steps.map((step) => [`${page.path}:${step.line} ${titleOf(step)}`, step] as const))(
      '%s',
      async (_title, step) => {
        await expect(run.step(step)).resolves.toBeUndefined()
      },
      timeout,
    )
  })
}

function titleOf(step: Step): string {
  if (step.kind === 'console') return step.commands.map(({ command }) => command).join('; ')
  return step.run ? `${step.name} runs` : step.name
}
