import { describe, expect, it } from 'vitest'
import { ctWith } from './fixtures/run-ct.ts'
import type { CliCommand } from './package-commands.ts'

const hello: CliCommand = {
  name: 'hello',
  description: 'greets',
  args: ['<who>', '[others...]'],
  options: [{ flags: '--loud', description: 'louder' }],
  async run({ app, args, options, print }) {
    const [who, others] = args
    print(`hello ${String(who)} ${JSON.stringify(others)} ${JSON.stringify(options)} ${(await app()).name}`)
    return who === 'nobody' ? 3 : undefined
  },
}
const commands = async (warn: (text: string) => void): Promise<readonly CliCommand[]> => {
  warn('The commands of broken are left out: no licence')
  return [hello, { name: 'call', run: () => 0 }]
}

describe('CLI-5: commands of packages', () => {
  it('are run with their words and options; what could not be loaded is told', async () => {
    const ran = await ctWith({ commands }, 'hello', 'Ann', 'Bob', 'Cy', '--loud')
    expect(ran.out).toBe('hello Ann ["Bob","Cy"] {"loud":true} ct\n')
    expect(ran.err).toContain('The commands of broken are left out: no licence\n')
    expect(ran.err).toContain('There is a command "call" already')
    expect(ran.exitCode).toBe(0)
    expect((await ctWith({ commands }, 'hello', 'nobody')).exitCode).toBe(3)
    expect((await ctWith({ commands }, 'hello')).exitCode).toBe(2)
  })

  it('are shown by --help, and suggested', async () => {
    expect((await ctWith({ commands }, '--help')).out).toMatch(/hello \[options\] <who>.*greets/)
    expect((await ctWith({ commands }, 'helo')).err).toMatch(/Did you mean .*hello/)
  })

  it('may be given words that are commands of ct', async () => {
    const ran = await ctWith({ commands }, '--workdir', '.', 'hello', 'worker', 'list')
    expect(ran.out).toBe('hello worker ["list"] {} ct\n')
  })

  it('are not looked for where ct has the command itself', async () => {
    const never = (): Promise<never> => Promise.reject(new Error('asked'))
    expect((await ctWith({ commands: never }, 'inspect', '--list')).exitCode).toBe(0)
  })
})
