import { ensureServices, resetService, serviceStatus, serviceUrl, stopService } from './lifecycle.ts'
import { CATALOGUE } from './catalogue.ts'
import { ServiceError } from './errors.ts'
import { SERVICE_NAMES, type ServiceName } from './service.ts'

const USAGE = `Usage: services <command> [name…]     (no name: all of them)

  start    make sure that they answer, and print their URLs
  stop     stop those that this tool started
  reset    empty those that this tool started
  urls     print NAME=URL lines, e.g. for: export $(services urls redis)
  status   one line each

Names: ${SERVICE_NAMES.join(' ')}
`

const COMMANDS: Readonly<Record<string, (names: readonly ServiceName[]) => Promise<void>>> = {
  async start(names) {
    const failures: string[] = []
    const started = new Set<ServiceName>()
    await Promise.all(
      names.map(async (name) => {
        try {
          await ensureServices([name])
          started.add(name)
        } catch (error) {
          failures.push(error instanceof ServiceError ? error.message : String(error))
        }
      }),
    )
    printUrls(names.filter((name) => started.has(name)))
    if (failures.length > 0) throw new ServiceError('CT_SERVICE_FAILED', failures.join('\n'))
  },
  async stop(names) {
    await Promise.all(names.map(stopService))
  },
  async reset(names) {
    await Promise.all(names.map(resetService))
  },
  async urls(names) {
    printUrls(names)
  },
  async status(names) {
    const all = await Promise.all(names.map(serviceStatus))
    for (const { name, state, origin, url, folder } of all) {
      const where = origin === 'ours' ? `${url}  data and logs: ${folder}` : url
      process.stdout.write(`${name.padEnd(10)} ${state.padEnd(13)} ${(origin ?? '').padEnd(11)} ${where}\n`)
    }
  },
}

function printUrls(names: readonly ServiceName[]): void {
  for (const name of names) process.stdout.write(`${CATALOGUE[name].variable}=${serviceUrl(name)}\n`)
}

function isServiceName(name: string): name is ServiceName {
  return (SERVICE_NAMES as readonly string[]).includes(name)
}

async function main([command = '', ...rest]: readonly string[]): Promise<number> {
  const action = Object.hasOwn(COMMANDS, command) ? COMMANDS[command] : undefined
  const unknown = rest.filter((name) => !isServiceName(name))
  if (!action || unknown.length > 0) {
    const problem = action
      ? `no such service: ${unknown.join(', ')}`
      : command && `no such command: ${command}`
    process.stderr.write(problem ? `${problem}\n\n${USAGE}` : USAGE)
    return 2
  }
  try {
    await action(rest.length === 0 ? SERVICE_NAMES : rest.filter(isServiceName))
    return 0
  } catch (error) {
    if (!(error instanceof ServiceError)) throw error
    process.stderr.write(`${error.message}\n`)
    return 1
  }
}

process.exitCode = await main(process.argv.slice(2))
