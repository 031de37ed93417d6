import { expect, it } from 'vitest'
import { roomFindings } from './rooms.ts'

const messages = (path: string, text: string): string[] =>
  roomFindings(path, text).map(({ message }) => message)

it.each([
  ['packages/client/src/routing/route.ts', `import { App } from '../app/index.ts'`, /comes before/],
  ['packages/client/src/routing/route.ts', `import { type A, App } from '../app/index.ts'`, /comes before/],
  ['packages/client/src/routing/deep/route.ts', `export * from '../../app/index.ts'`, /comes before/],
  [
    'packages/client/src/app/app.ts',
    `import { route } from '../routing/route.ts'`,
    /is an inside of routing/,
  ],
  ['packages/client/src/lounge/app.ts', '', /no place/],
])('rooms refuse, in %s: %s', (path, text, expected) => {
  const found = messages(path, text)
  expect(found).toHaveLength(1)
  expect(found[0]).toMatch(expected)
})

it.each([
  ['packages/client/src/app/app.ts', `import { route } from '../routing/index.ts'`],
  ['packages/client/src/routing/route.ts', `import type { App } from '../app/index.ts'`],
  ['packages/client/src/routing/route.ts', `import {\n  type App,\n  type Task,\n} from '../app/index.ts'`],
  ['packages/client/src/app/app.ts', `import { task } from '../task/index.ts'`],
  ['packages/client/src/routing/route.ts', `import { queue } from './queue.ts'`],
  ['packages/contracts/src/protocol/a.ts', `import { CeleryError } from '../errors.ts'`],
  ['packages/client/src/index.ts', `export { App } from './app/app.ts'`],
  ['packages/client/src/routing/route.test.ts', `import { App } from '../app/app.ts'`],
])('rooms allow, in %s: %s', (path, text) => {
  expect(messages(path, text)).toEqual([])
})
