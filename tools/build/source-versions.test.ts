import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import { sourceVersions } from './source-versions.ts'

it('versions named in sources are those of their packages', () => {
  const found = sourceVersions(fileURLToPath(new URL('../..', import.meta.url)))
  expect(found.length).toBeGreaterThanOrEqual(3)
  for (const { path, named, version } of found) expect([path, named]).toEqual([path, version])
})
