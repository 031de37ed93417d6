/**
 * Adapters for bare URLs, found among the installed packages (docs/adr, "Finding adapters").
 *
 * A package that owns URL schemes says so in its package.json: `"ct": { "adapter": "redis" }` names the export of its main entry
 * that `defineAdapter()` made. Looked at are the dependencies in the package.json nearest to the module that is run, then in the one
 * nearest to the working folder. Nothing is searched before a URL needs it, and then only packages with a `ct` field are loaded.
 */
import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { DiscoverAdapter } from '@ct/client'
import { AdapterError, assertContract, type Adapter } from '@ct/contracts'

interface Manifest {
  readonly name?: string
  readonly ct?: { readonly adapter?: unknown; readonly commands?: unknown }
  readonly dependencies?: Readonly<Record<string, string>>
  readonly devDependencies?: Readonly<Record<string, string>>
  readonly optionalDependencies?: Readonly<Record<string, string>>
}

/** Where a search starts: files or folders, by path or URL. */
export type SearchPlaces = () => readonly string[]

let module: string | undefined

/** For the command line: the module that counts is the one of `-A`, not the program that Node was started with. */
export function searchFrom(url: string): void {
  module = url
}

/** The module that is run, then the working folder. */
export function defaultPlaces(): readonly string[] {
  const entry = module ?? process.argv[1]
  return [...(entry === undefined ? [] : [entry]), join(process.cwd(), 'package.json')]
}

/** A search for adapters that begins at these places. Each package is loaded once. */
export function adapterFinder(places: SearchPlaces = defaultPlaces): DiscoverAdapter {
  const loaded = new Map<string, Adapter>()
  return ({ kind, schemes }) => {
    const offers = new Map<string, Offer>()
    for (const manifest of nearestManifests(places())) {
      for (const offer of offersOf(manifest)) if (!offers.has(offer.name)) offers.set(offer.name, offer)
    }
    const adapters = [...offers.values()].map((offer) => {
      const adapter = loaded.get(offer.manifest) ?? load(offer)
      loaded.set(offer.manifest, adapter)
      return adapter
    })
    const schemesOf = (adapter: Adapter): readonly string[] =>
      kind === 'broker'
        ? adapter.brokerSchemes
        : kind === 'backend'
          ? adapter.backendSchemes
          : (adapter.poolNames ?? [])
    for (const scheme of schemes) {
      const owner = adapters.find((adapter) => schemesOf(adapter).includes(scheme))
      if (owner !== undefined) return owner
    }
    return undefined
  }
}

/** A package that says it has an adapter. */
interface Offer {
  readonly name: string
  readonly exportName: string
  /** Path of its package.json. */
  readonly manifest: string
  /** Path of the package.json that depends on it: what it exports is resolved from there. */
  readonly from: string
}

function nearestManifests(places: readonly string[]): Set<string> {
  const found = new Set<string>()
  for (const place of places) {
    const path = place.startsWith('file:') ? fileURLToPath(place) : resolve(place)
    const manifest = upwards(path, (folder) => {
      const candidate = join(folder, 'package.json')
      return existsSync(candidate) ? candidate : undefined
    })
    if (manifest !== undefined) found.add(manifest)
  }
  return found
}

/** Asks for each folder above a file, the nearest first. */
function upwards(file: string, ask: (folder: string) => string | undefined): string | undefined {
  for (let folder = dirname(file); ; folder = dirname(folder)) {
    const answer = ask(folder)
    if (answer !== undefined || folder === dirname(folder)) return answer
  }
}

/** Packages of which `ct` in their package.json has this field, and what their export of that name is, once it is asked for. */
export function packagesWith(
  field: 'commands',
  places: readonly string[],
): { readonly name: string; readonly exportName: string; readonly load: () => unknown }[] {
  const offers = new Map<string, Offer>()
  for (const manifest of nearestManifests(places)) {
    for (const offer of offersOf(manifest, field)) if (!offers.has(offer.name)) offers.set(offer.name, offer)
  }
  return [...offers.values()].map(({ name, exportName, from }) => ({
    name,
    exportName,
    load: () => (createRequire(from)(name) as Readonly<Record<string, unknown>>)[exportName],
  }))
}

function offersOf(manifest: string, field: 'adapter' | 'commands' = 'adapter'): Offer[] {
  const { dependencies, optionalDependencies, devDependencies } = read(manifest)
  const names = Object.keys({ ...dependencies, ...optionalDependencies, ...devDependencies })
  return names.flatMap((name) => {
    const path = installed(name, manifest)
    const exportName = path === undefined ? undefined : read(path).ct?.[field]
    return path !== undefined && typeof exportName === 'string'
      ? [{ name, exportName, manifest: path, from: manifest }]
      : []
  })
}

/** package.json of a dependency; undefined when it is not installed, which is not ours to complain about. */
function installed(name: string, from: string): string | undefined {
  // Not through `exports`: many packages do not export their package.json.
  return upwards(from, (folder) => {
    const path = join(folder, 'node_modules', name, 'package.json')
    return existsSync(path) ? path : undefined
  })
}

function read(path: string): Manifest {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as Manifest
  } catch {
    return {}
  }
}

/** At once, because a broker is resolved at once: Node can `require()` modules. */
function load({ name, exportName, from }: Offer): Adapter {
  let exported: unknown
  try {
    exported = (createRequire(from)(name) as Readonly<Record<string, unknown>>)[exportName]
  } catch (error) {
    throw new AdapterError(
      `The adapter of ${name} could not be loaded: ${error instanceof Error ? error.message : String(error)}`,
      { cause: error, details: { packageName: name } },
    )
  }
  if (typeof exported !== 'object' || exported === null) {
    throw new AdapterError(
      `${name} says in its package.json that its adapter is the export "${exportName}", but there is none. Please report it to the package's authors.`,
      { details: { packageName: name } },
    )
  }
  assertContract(exported, 'adapter')
  return exported as Adapter
}
