/** Rules for tracked files that no linter has. Each is a function of a path and its text, so that its canary is one line. */
import { basename } from 'node:path'

export interface Finding {
  readonly rule: string
  readonly path: string
  readonly line: number
  readonly message: string
  readonly level: 'error' | 'warning'
}

type Rule = (path: string, text: string) => Finding[]

/** Words that say nothing about what a file holds; such files only ever grow. */
const vagueName = /^(?:utils?|helpers?|common|types|misc|shared)\.(?:ts|mts|mjs|js)$/

const topLevel = new Set([
  'nx.json',
  'package.json',
  'pnpm-workspace.yaml',
  'pnpm-lock.yaml',
  'packages',
  'tools',
  'docs',
  'README.md',
  'LICENSE',
  'CONTRIBUTING.md',
  'SECURITY.md',
])

/** Paths that exist on one machine only, and addresses of package registries. */
const forbiddenTexts: readonly (readonly [rule: string, pattern: RegExp])[] = [
  ['machine-path', /(?<![\w.:/@-])\/(?:work|root|tmp|home\/\w+|Users\/\w+)\/[\w.]/],
  ['machine-path', /\b[A-Z]:\\Users\\/],
  [
    'registry-host',
    /\bregistry\.(?:npmjs|yarnpkg)\.\w+|\bnpm\.pkg\.github\.com|\bpypi\.org\/simple|^\s*registry\s*=/i,
  ],
  ['registry-host', /\btarball: *https?:/],
]

const codeLimit = 300
/** Tables of cases are long; what is longer than this is several subjects. */
const testLimit = 900

function lines(text: string, matches: (line: string) => boolean): number[] {
  return text.split('\n').flatMap((line, index) => (matches(line) ? [index + 1] : []))
}

const namesSayWhat: Rule = (path) =>
  vagueName.test(basename(path))
    ? [{ rule: 'file-name', path, line: 1, level: 'error', message: 'name the file after what it holds' }]
    : []

const topLevelIsShort: Rule = (path) => {
  const first = path.split('/')[0] ?? ''
  return first.startsWith('.') || topLevel.has(first)
    ? []
    : [
        {
          rule: 'top-level',
          path,
          line: 1,
          level: 'error',
          message: `${first} does not belong to the top level`,
        },
      ]
}

const noMachine: Rule = (path, text) =>
  forbiddenTexts.flatMap(([rule, pattern]) =>
    lines(text, (line) => pattern.test(line)).map((line) => ({
      rule,
      path,
      line,
      level: 'error' as const,
      message: 'holds on one machine only',
    })),
  )

const noAny: Rule = (path, text) =>
  path.endsWith('.ts')
    ? lines(
        text,
        (line) => /\bas any\b|@ts-(?:ignore|nocheck)/.test(line) && !/^\s*(?:\/\/|\*)/.test(line),
      ).map((line) => ({
        rule: 'any',
        path,
        line,
        level: 'error' as const,
        message: 'says "trust me" to the compiler; narrow, or type it',
      }))
    : []

/** A long file holds more than one thing. */
const shortFiles: Rule = (path, text) => {
  if (!/\.(?:ts|mjs)$/.test(path)) return []
  const limit = /\.(?:test|test-d)\.ts$/.test(path) ? testLimit : codeLimit
  const code = text
    .replace(/\/\*[\s\S]*?\*\//g, '')
    .split('\n')
    .filter((line) => line.trim() !== '' && !line.trim().startsWith('//')).length
  return code > limit
    ? [
        {
          rule: 'file-length',
          path,
          line: 1,
          level: 'error',
          message: `${code} lines of code, more than ${limit}`,
        },
      ]
    : []
}

/** What is published is read where this repository is not: no path leads anywhere from there. */
const packageReadmesStandAlone: Rule = (path, text) =>
  /^packages\/[^/]+\/README\.md$/.test(path)
    ? lines(text, (line) => /\]\((?!https?:|#)/.test(line)).map((line) => ({
        rule: 'relative-link',
        path,
        line,
        level: 'error' as const,
        message: 'leads nowhere from the package registry; say it here, or name the page',
      }))
    : []

const rules: readonly Rule[] = [
  namesSayWhat,
  topLevelIsShort,
  noMachine,
  noAny,
  shortFiles,
  packageReadmesStandAlone,
]

/** The rules' own patterns and canaries have to spell out what they forbid. */
const exempt = /^tools\/checks\/repo-rules(?:\.test)?\.ts$/

export function findingsIn(path: string, text: string): Finding[] {
  return exempt.test(path) ? [] : rules.flatMap((rule) => rule(path, text))
}
