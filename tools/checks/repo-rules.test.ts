import { describe, expect, it } from 'vitest'
import { findingsIn } from './repo-rules.ts'

const rulesBroken = (path: string, text = ''): string[] => findingsIn(path, text).map(({ rule }) => rule)

describe('repository rules refuse', () => {
  it.each([
    ['file-name', 'packages/client/src/utils.ts', ''],
    ['file-name', 'packages/client/src/routing/helpers.ts', ''],
    ['top-level', 'tsconfig.json', ''],
    ['top-level', 'scripts/x.sh', ''],
    ['machine-path', 'docs/x.md', 'run it in /tmp/checkout/packages'],
    ['machine-path', 'docs/x.md', 'see /home/ada/notes'],
    [
      'registry-host',
      'pnpm-lock.yaml',
      '    resolution: {integrity: sha512-x, tarball: https://mirror.example/x.tgz}',
    ],
    ['registry-host', '.npmrc', 'registry=https://mirror.example/'],
    ['any', 'packages/client/src/app.ts', 'const x = y as any'],
    ['any', 'packages/client/src/app.ts', 'x() // @ts-ignore'],
    ['relative-link', 'packages/client/README.md', 'See [Canvas](../../docs/userguide/canvas.md).'],
    ['file-length', 'packages/client/src/app.ts', 'let x = 1\n'.repeat(301)],
    ['file-length', 'packages/client/src/long.test.ts', 'let x = 1\n'.repeat(901)],
  ])('%s: %s', (rule, path, text) => {
    expect(rulesBroken(path, text)).toEqual([rule])
  })
})

describe('repository rules allow', () => {
  it.each([
    ['packages/client/src/routing/index.ts', 'export const homework = "a/work/b"'],
    ['.github/x.yml', 'uses: x'],
    ['packages/client/src/app.ts', '// as any of them'],
    ['packages/client/README.md', '[ink](https://example.org/ink), [below](#below)'],
    ['docs/x.md', '[Canvas](../canvas.md)'],
    ['docs/x.md', 'https://example.org/work/x and ./tmp/x'],
    ['packages/client/src/long.test.ts', 'let x = 1\n'.repeat(400)],
  ])('%s', (path, text) => {
    expect(rulesBroken(path, text)).toEqual([])
  })
})
