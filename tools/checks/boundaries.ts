// Who may import whom, by the `kind:` tag in each package.json (docs: architecture, "Packages").
// Read by the ESLint configuration and by its canaries.

/** What a kind's shipped sources may import. An adapter meets the contracts alone; nothing but tests meets `testing`. */
const sources: Readonly<Record<string, readonly string[]>> = {
  contracts: [],
  adapter: ['contracts'],
  client: ['contracts'],
  worker: ['contracts', 'client'],
  beat: ['contracts', 'client'],
  monitor: ['contracts', 'client'],
  instrumentation: ['contracts', 'client', 'worker'],
  cli: ['contracts', 'client', 'worker', 'beat', 'adapter', 'monitor'],
  core: ['contracts', 'client', 'worker', 'beat', 'cli', 'adapter'],
  bundle: ['contracts', 'client', 'worker', 'beat', 'cli', 'core', 'adapter'],
  testing: ['contracts', 'client', 'worker', 'adapter'],
  tool: [
    'contracts',
    'client',
    'worker',
    'beat',
    'cli',
    'core',
    'adapter',
    'bundle',
    'monitor',
    'instrumentation',
    'testing',
    'tool',
  ],
  docs: [
    'contracts',
    'client',
    'worker',
    'beat',
    'cli',
    'core',
    'adapter',
    'bundle',
    'instrumentation',
    'testing',
    'tool',
  ],
}

/** Tests may also bring the suites, a broker to run on, and the tools that start real servers. */
const inTests = ['contracts', 'client', 'worker', 'adapter', 'testing', 'tool']

export interface Constraint {
  readonly sourceTag: string
  readonly onlyDependOnLibsWithTags: readonly string[]
}

/** One adapter is never part of another, so `adapter` may import itself only within its own folder, which Nx does not count. */
const constraints = (allowed: Readonly<Record<string, readonly string[]>>): Constraint[] =>
  Object.entries(allowed).map(([kind, targets]) => ({
    sourceTag: `kind:${kind}`,
    onlyDependOnLibsWithTags: targets.map((target) => `kind:${target}`),
  }))

export const sourceConstraints: readonly Constraint[] = constraints(sources)

export const testConstraints: readonly Constraint[] = constraints(
  Object.fromEntries(
    Object.entries(sources).map(([kind, targets]) => [kind, [...new Set([...targets, ...inTests])]]),
  ),
)
