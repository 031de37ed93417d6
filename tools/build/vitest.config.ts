import { basename } from 'node:path'
import { fileURLToPath } from 'node:url'
import { defineConfig, type ViteUserConfig } from 'vitest/config'
import { patienceMs } from './patience-ms.ts'

/**
 * The one vitest configuration. Every package runs with it: `vitest run --config ../../tools/build/vitest.config.ts`
 * from its own folder, or from the root with a path.
 *
 * CT_SUITE chooses by file suffix: `unit` (the default when run through Nx), `conformance`, `interop`; unset = all of them.
 */
const suite = process.env['CT_SUITE'] ?? 'all'
const service = ['**/*.conformance.test.ts', '**/*.interop.test.ts']
const include: Record<string, string[]> = {
  all: ['**/*.test.ts'],
  unit: ['**/*.test.ts'],
  conformance: ['**/*.conformance.test.ts'],
  interop: ['**/*.interop.test.ts'],
}
/** What Node asks for by itself. It does not know `module`: some packages keep files there that only bundlers can read. */
const conditions = ['@ct/source', 'node', 'import', 'default']

const config: ViteUserConfig = defineConfig({
  // The default is a node_modules folder wherever it is started from, also where there is none.
  cacheDir: fileURLToPath(new URL('../../node_modules/.cache/vitest', import.meta.url)),
  resolve: { conditions },
  ssr: { resolve: { conditions, externalConditions: conditions } },
  test: {
    name: `${basename(process.cwd())}:${suite}`,
    include: include[suite] ?? [],
    exclude: ['**/node_modules/**', '**/dist/**', ...(suite === 'unit' ? service : [])],
    environment: 'node',
    setupFiles: ['patience.ts', 'leak-guard.ts'].map((file) => fileURLToPath(new URL(file, import.meta.url))),
    pool: 'forks',
    maxWorkers: 2,
    execArgv: ['--conditions=@ct/source'],
    passWithNoTests: true,
    // Output is compared as it is without a terminal, whatever the one that started the tests has.
    env: { FORCE_COLOR: '', NO_COLOR: '' },
    restoreMocks: true,
    unstubEnvs: true,
    unstubGlobals: true,
    // A guard against tests that hang, no measure: a busy machine may stand still for seconds. Long forms take as long as they take.
    testTimeout: process.env['CT_NIGHTLY'] !== undefined ? 1_200_000 : 60_000,
    hookTimeout: 60_000,
    // A look that succeeds ends at once, and a busy machine may take longer than the default second.
    expect: { poll: { timeout: patienceMs } },
    teardownTimeout: 10_000,
  },
})

export default config
