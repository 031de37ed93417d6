import { globSync, readFileSync, statSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { describe, expect, it } from 'vitest'
import { workspace } from './page.ts'

const read = (path: string): string => readFileSync(join(workspace, path), 'utf8')
const found = globSync(['*.md', 'packages/*/README.md', 'docs/**/*.md', 'tools/*/README.md'], {
  cwd: workspace,
}).sort()
const texts = new Map(
  found.map((path) => [path, read(path).replaceAll(/^(\s*)(`{3,})[\s\S]*?^\s*\2\s*$/gm, '')]),
)

/** GitHub's anchors of the headings of a page. */
function anchorsOf(path: string): Set<string> {
  return new Set(
    [...(texts.get(path) ?? '').matchAll(/^#{1,6} +(.*)$/gm)].map(([, title = '']) =>
      title
        .replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1')
        .toLowerCase()
        .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
        .replaceAll(' ', '-'),
    ),
  )
}

/** Links within the repository, as `[path, anchor]` relative to its root. */
function linksOf(path: string): (readonly [string, string | undefined])[] {
  const text = (texts.get(path) ?? '').replaceAll(/`[^`\n]*`/g, '')
  return [...text.matchAll(/\]\((?!\w+:)([^)\s]+)\)|(?:src|href)="(?!\w+:)([^"]+)"/g)].map(
    ([, markdown, html]) => {
      const [file = '', anchor] = (markdown ?? html ?? '').split('#')
      return [file === '' ? path : normalize(join(dirname(path), file)), anchor] as const
    },
  )
}

describe('links', () => {
  it.each(found)('%s leads to files and headings that exist', (path) => {
    const broken = linksOf(path).flatMap(([file, anchor]) => {
      if (statSync(join(workspace, file), { throwIfNoEntry: false }) === undefined) return [file]
      return anchor === undefined || !file.endsWith('.md') || anchorsOf(file).has(anchor)
        ? []
        : [`${file}#${anchor}`]
    })
    expect(broken).toEqual([])
  })

  it('every page below docs is reached from docs/README.md', () => {
    const reached = new Set(['docs/README.md'])
    for (const path of reached) for (const [file] of linksOf(path)) if (texts.has(file)) reached.add(file)
    expect(found.filter((path) => path.startsWith('docs/') && !reached.has(path))).toEqual([])
  })

  it('decisions have numbers of their own', () => {
    const numbers = found.flatMap((path) => /^docs\/adr\/(\d{4})-/.exec(path)?.[1] ?? [])
    expect(numbers).toEqual([...new Set(numbers)])
  })
})
