import { mkdirSync, rmSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { cacheDirectory } from './cache.ts'
import { CATALOGUE } from './catalogue.ts'
import { type DetachedProcess, runningPid, startDetached, stopDetached } from './detached.ts'
import { ServiceError } from './errors.ts'
import { canInstallPackages, installPackages } from './install.ts'
import { withLock } from './lock.ts'
import { say, waitUntil } from './progress.ts'
import type { Service, ServiceName } from './service.ts'

/** Where a service answers, or would: the URL from its environment variable, else that of ours. */
export function serviceUrl(name: ServiceName): string {
  return given(CATALOGUE[name]) ?? CATALOGUE[name].url
}

/**
 * Makes sure that these services answer and returns their URLs. Uses, in this order: the URL in the environment
 * (`CT_REDIS_URL` and so on), what answers on our port, what is installed, Debian's packages (as root).
 * Started servers live on after this process; `stop` ends them.
 *
 * Safe to call from many processes at once: one starts the server, the others wait for it.
 *
 * @throws {ServiceError} `CT_SERVICE_MISSING` with the command that helps, or `CT_SERVICE_FAILED` with the server's log.
 */
export async function ensureServices<const N extends ServiceName>(
  names: readonly N[],
): Promise<Record<N, string>> {
  const urls = await Promise.all(names.map(async (name) => [name, await ensure(CATALOGUE[name])] as const))
  return Object.fromEntries(urls) as Record<N, string>
}

/**
 * `ensureServices` for tests on machines that may lack a service: on a laptop a missing one is told in a line and
 * `undefined` comes back, so that the tests can be skipped; with `CI` set it is an error.
 */
export async function tryServices<const N extends ServiceName>(
  names: readonly N[],
): Promise<Record<N, string> | undefined> {
  try {
    return await ensureServices(names)
  } catch (error) {
    if (isCi() || !(error instanceof ServiceError) || error.code !== 'CT_SERVICE_MISSING') throw error
    say('services', `${error.message}\nservices: tests that need it are skipped`)
    return undefined
  }
}

/** Whether a missing prerequisite is a failure rather than a reason to skip. */
export function isCi(): boolean {
  return !['', '0', 'false'].includes(process.env['CI'] ?? '')
}

/** Makes sure that a service's programs are installed, for those who start their own. */
export async function provideService(name: ServiceName): Promise<void> {
  const service = CATALOGUE[name]
  if (await service.isInstalled()) return
  await withLock(`service-${name}`, () => provide(service))
}

/** Stops ours; what was only used stays as it is. Returns whether anything was stopped. */
export async function stopService(name: ServiceName): Promise<boolean> {
  return withLock(`service-${name}`, () => stop(CATALOGUE[name]))
}

/**
 * Empties a service of ours.
 *
 * @throws {ServiceError} `CT_SERVICE_FOREIGN` for a server that we did not start.
 */
export async function resetService(name: ServiceName): Promise<void> {
  const service = CATALOGUE[name]
  if (given(service)) {
    throw new ServiceError(
      'CT_SERVICE_FOREIGN',
      `${name}: ${service.variable} is set; emptying that server is up to you`,
    )
  }
  await withLock(`service-${name}`, async () => {
    const answers = await service.probe(service.url)
    if (answers && !(await isOurs(service))) {
      throw new ServiceError(
        'CT_SERVICE_FOREIGN',
        `${name}: the server at ${service.url} was not started by this tool`,
      )
    }
    if (answers && service.wipe) return service.wipe(service.url)
    await stop(service)
    rmSync(folderOf(service), { recursive: true, force: true })
    if (answers) await start(service)
  })
}

export interface ServiceStatus {
  name: ServiceName
  url: string
  state: 'answers' | 'stopped' | 'not installed'
  /** `environment`: its URL came from there; `ours`: started by this tool; `found`: answered already. */
  origin: 'environment' | 'ours' | 'found' | undefined
  folder: string
}

export async function serviceStatus(name: ServiceName): Promise<ServiceStatus> {
  const service = CATALOGUE[name]
  const url = serviceUrl(name)
  const answers = await service.probe(url)
  const state = answers ? 'answers' : (await service.isInstalled()) ? 'stopped' : 'not installed'
  const origin = given(service)
    ? 'environment'
    : answers
      ? (await isOurs(service))
        ? 'ours'
        : 'found'
      : undefined
  return { name, url, state, origin, folder: folderOf(service) }
}

async function ensure(service: Service): Promise<string> {
  const external = given(service)
  if (external) {
    if (await service.probe(external)) return external
    const at = external.replace(/\/\/[^@/]*@/, '//***@')
    throw new ServiceError(
      'CT_SERVICE_FAILED',
      `${service.name}: ${service.variable} is set, but nothing answers at ${at}. Start it, or unset the variable`,
    )
  }
  if (await service.probe(service.url)) return service.url
  await withLock(`service-${service.name}`, async () => {
    if (await service.probe(service.url)) return
    await provide(service)
    await start(service)
  })
  return service.url
}

async function provide(service: Service): Promise<void> {
  if (await service.isInstalled()) return
  if (service.install && !service.needsRoot) return service.install()
  if (!canInstallPackages() || (!service.install && service.packages.length === 0)) {
    const compose = fileURLToPath(new URL('../compose.yaml', import.meta.url))
    const how = service.manual ?? `run: docker compose -f ${compose} up -d --wait ${service.name}`
    throw new ServiceError(
      'CT_SERVICE_MISSING',
      `${service.name}: not installed, and this tool cannot install it here; ${how}`,
    )
  }
  await (service.install?.() ?? installPackages(service.name, service.packages))
  if (!(await service.isInstalled())) {
    throw new ServiceError('CT_SERVICE_MISSING', `${service.name}: installed, and still not to be found`)
  }
}

async function start(service: Service): Promise<void> {
  const { name, url } = service
  const folder = folderOf(service)
  say(name, 'starting')
  const began = performance.now()
  // A server of ours that no longer answers is in the way of a new one.
  await stop(service)
  const running: DetachedProcess[] = []
  for (const spec of await service.prepare(folder)) running.push(await startDetached(folder, spec))
  const hopeless = (): string | undefined => {
    const dead = running.find((one) => one.ended() !== undefined)
    return dead && `${dead.ended()}; the end of its log in ${folder}:\n${dead.logTail()}`
  }
  try {
    await waitUntil(name, 'waiting for it to answer', () => service.probe(url), {
      hopeless,
      timeoutMs: 90_000,
    })
    await service.finish?.(url, folder)
  } catch (error) {
    await stop(service)
    throw error
  }
  say(name, `answers at ${url} after ${((performance.now() - began) / 1000).toFixed(1)} s`)
}

/** Labels are the file names of pid files; the last process started is the first to stop. */
async function stop(service: Service): Promise<boolean> {
  let stopped = false
  for (const label of labelsOf(service).toReversed()) {
    stopped = (await stopDetached(folderOf(service), label)) || stopped
  }
  if (stopped) say(service.name, 'stopped')
  return stopped
}

async function isOurs(service: Service): Promise<boolean> {
  for (const label of labelsOf(service)) {
    if ((await runningPid(folderOf(service), label)) !== undefined) return true
  }
  return false
}

function labelsOf(service: Service): readonly string[] {
  return service.labels ?? [service.name]
}

function folderOf(service: Service): string {
  if (!service.folder) return cacheDirectory('services', service.name)
  mkdirSync(service.folder, { recursive: true })
  return service.folder
}

function given(service: Service): string | undefined {
  return process.env[service.variable] || undefined
}
