import { readFileSync } from 'node:fs'
import type { Command } from 'commander'
import { describe, expect, it } from 'vitest'
import { exitCodes } from './exit-codes.ts'
import { memoryApp } from './fixtures/run-ct.ts'
import { createProgram } from './run-cli.ts'
import { Session } from './session.ts'

const page = readFileSync(new URL('../../../docs/reference/command-line.md', import.meta.url), 'utf8')
const program = createProgram(new Session({ createApp: ({ name }) => memoryApp({ name }), version: '1' }))

/** The part of the page about a command; its parent's for a command of a command. */
function section(name: string): string {
  if (name === 'ct') return page.slice(0, page.indexOf('## ct worker'))
  const start = page.search(new RegExp(`^## .*\\bct ${name}\\b`, 'm'))
  return page.slice(start, page.indexOf('\n## ', start + 1))
}

const commands = (command: Command, path: readonly string[]): (readonly [string, Command])[] => [
  [path.join(' '), command],
  ...command.commands.flatMap((child) => commands(child, [...path, child.name()])),
]

describe('docs/reference/command-line.md', () => {
  it.each(commands(program, ['ct']))('tells all about %s', (path, command) => {
    const [, first = 'ct', second] = path.split(' ')
    const text = section(first)
    expect(text).toMatch(new RegExp(`\\b${second ?? first}\\b`))
    for (const { long, short, hidden } of command.options) {
      expect(text).toContain(`\`${hidden ? (short ?? long) : long}`)
    }
  })

  it('lists the exit codes', () => {
    for (const code of Object.values(exitCodes)) expect(page).toContain(`| ${code} | `)
  })
})
