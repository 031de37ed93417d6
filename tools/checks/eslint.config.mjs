import nx from '@nx/eslint-plugin'
import parser from '@typescript-eslint/parser'
import { sourceConstraints, testConstraints } from './boundaries.ts'

/** Everything but the boundaries is oxlint's; ESLint is here for the one rule that needs Nx's project graph. */
const boundaries = (depConstraints) => [
  'error',
  {
    enforceBuildableLibDependency: false,
    allowCircularSelfDependency: true,
    // Cycles of shipped code cannot pass the constraints, which have none. Those through development dependencies
    // (a package's tests use the suites, which use the package) are meant.
    ignoredCircularDependencies: [['*', '*']],
    checkDynamicDependenciesExceptions: [],
    depConstraints,
  },
]

export default [
  { ignores: ['**/dist/**', '**/node_modules/**'] },
  {
    files: ['**/*.ts', '**/*.mts', '**/*.mjs'],
    languageOptions: { parser, sourceType: 'module' },
    linterOptions: { reportUnusedDisableDirectives: 'error' },
    plugins: { '@nx': nx },
    rules: { '@nx/enforce-module-boundaries': boundaries(sourceConstraints) },
  },
  {
    files: ['**/*.test.ts', '**/*.test-d.ts', '**/fixtures/**'],
    rules: { '@nx/enforce-module-boundaries': boundaries(testConstraints) },
  },
]
