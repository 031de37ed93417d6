import { globSync, readFileSync } from 'node:fs'
import nx from '@nx/eslint-plugin'
import parser from '@typescript-eslint/parser'
import { sourceConstraints, testConstraints } from './boundaries.ts'

/**
 * All pairs of projects: cycles are no concern of this rule. Those of shipped code cannot pass the constraints, which have none;
 * those through development dependencies (a package's tests use the suites, which use the package) are meant. A pattern for "all"
 * would not do: it pairs a project with itself, and then its own files count as another project's.
 */
const names = globSync('{packages,tools}/*/package.json', { cwd: `${import.meta.dirname}/../..` }).map(
  (file) => JSON.parse(readFileSync(`${import.meta.dirname}/../../${file}`, 'utf8')).name,
)
const pairs = names.flatMap((from) => names.filter((to) => to !== from).map((to) => [from, to]))

/** Everything but the boundaries is oxlint's; ESLint is here for the one rule that needs Nx's project graph. */
const boundaries = (depConstraints) => [
  'error',
  {
    enforceBuildableLibDependency: false,
    allowCircularSelfDependency: true,
    ignoredCircularDependencies: pairs,
    checkDynamicDependenciesExceptions: [],
    depConstraints,
  },
]

export default [
  { ignores: ['**/dist/**', '**/node_modules/**'] },
  {
    files: ['**/*.ts', '**/*.mts', '**/*.js', '**/*.mjs'],
    languageOptions: { parser, sourceType: 'module' },
    linterOptions: { reportUnusedDisableDirectives: 'error' },
    plugins: { '@nx': nx },
    rules: { '@nx/enforce-module-boundaries': boundaries(sourceConstraints) },
  },
  {
    files: ['**/*.test.ts', '**/*.test-d.ts', '**/test/**', '**/fixtures/**'],
    rules: { '@nx/enforce-module-boundaries': boundaries(testConstraints) },
  },
]
