/** The commands of Celery 5.7, read off a running one (`celery.worker.control.Panel.meta`): names, arguments, aliases. */
import { readFileSync } from 'node:fs'
import { createWorker } from '@ct/worker'
import { describe, expect, it } from 'vitest'
import { memoryApp } from '../fixtures/run-ct.ts'
import { createStreamLogger } from '../output/log.ts'
import { createStyle } from '../output/style.ts'
import { remoteCommands } from './remote-commands.ts'

interface Fact {
  readonly group: 'inspect' | 'control'
  readonly visible: boolean
  /** Name in the message and Python's type. */
  readonly args: readonly (readonly [string, string])[]
  /** All further words, under this name. */
  readonly variadic: string | null
  readonly alias: string | null
}

const facts = Object.entries(
  JSON.parse(
    readFileSync(new URL('../../test/celery-5.7-control.json', import.meta.url), 'utf8'),
  ) as Readonly<Record<string, Fact>>,
)
const logger = createStreamLogger({
  level: 100,
  format: 'text',
  style: createStyle({}),
  write: () => undefined,
})
const kinds: Readonly<Record<string, string>> = {
  text: 'str',
  integer: 'int',
  number: 'float',
  boolean: 'strtobool',
}

describe('commands of remote control, as Celery 5.7 has them', () => {
  it.each(facts.filter(([, { visible }]) => visible))(
    '%s takes the same arguments on the command line',
    (name, fact) => {
      const own = remoteCommands.find((command) => command.name === name)
      expect(own).toMatchObject({ group: fact.group })
      expect(own?.alias ?? null).toBe(fact.alias)
      expect(own?.rest ?? null).toBe(fact.variadic)
      // Celery's `election` takes none there and fails for it.
      const args = own?.args.map((one) => [one.name, kinds[one.kind]])
      expect(name === 'election' ? [] : args).toEqual(fact.args)
    },
  )

  it('a worker knows each of them, by their aliases too', async () => {
    await using app = memoryApp({ broker: 'memory://remote-commands', environment: {}, logger })
    await using worker = createWorker(app, { hostname: 'one@h', withoutMingle: true })
    await worker.start()
    const names = facts.flatMap(([name, { alias }]) => (alias === null ? [name] : [name, alias]))
    for (const name of names.filter((one) => one !== 'shutdown')) {
      const [reply] = await app.control.broadcast(name, {
        reply: true,
        destination: ['one@h'],
        timeoutMs: 20_000,
        limit: 1,
      })
      expect(JSON.stringify(reply)).not.toContain(`KeyError('${name}')`)
      expect(reply).toHaveProperty(['one@h'])
    }
  })
})
