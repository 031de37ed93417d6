#!/usr/bin/env node
// Plain JavaScript that any Node can read, so that an old one gets a sentence instead of a syntax error.
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import module from 'node:module'
import { fileURLToPath } from 'node:url'

const [major, minor] = process.versions.node.split('.').map(Number)
if (major < 22 || (major === 22 && minor < 18)) {
  console.error(
    `ct needs Node 22.18 or newer; this is ${process.versions.node}. Run it with a newer one: npx --package=node@24 -- ct ${process.argv.slice(2).join(' ')}`,
  )
  process.exit(1)
}

const source = fileURLToPath(new URL('../src/command.ts', import.meta.url))
if (existsSync(source) && !process.execArgv.some((option) => option.includes('@ct/source'))) {
  // A checkout, not an installation: run the sources, so that nothing has to be built first.
  const child = spawn(
    process.execPath,
    [
      '--conditions=@ct/source',
      ...process.execArgv,
      fileURLToPath(import.meta.url),
      ...process.argv.slice(2),
    ],
    {
      stdio: 'inherit',
    },
  )
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGQUIT', 'SIGHUP', 'SIGUSR1', 'SIGUSR2']) {
    // On a terminal the child gets Ctrl-C by itself, with its process group.
    process.on(signal, () => (signal === 'SIGINT' && process.stdin.isTTY ? undefined : child.kill(signal)))
  }
  child.on('exit', (code, signal) =>
    signal === null ? process.exit(code) : process.kill(process.pid, signal),
  )
} else {
  // What was compiled once need not be again.
  module.enableCompileCache?.()
  const { main } = existsSync(source) ? await import(source) : await import('../dist/command.js')
  await main(process.argv.slice(2))
}
