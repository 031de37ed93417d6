/** The `checks` target: repository rules over all tracked files, then the checks that have a program of their own. */
import { execFileSync, spawnSync } from 'node:child_process'
import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { announce } from '@ct-tools/build/announce'
import { findingsIn, type Finding } from './repo-rules.ts'
import { roomFindings } from './rooms.ts'

const root = join(import.meta.dirname, '../..')
const binary = /\.(?:png|jpe?g|gif|ico|woff2?|gz|tgz|zip|pickle|bin)$/

function trackedFiles(): string[] {
  return execFileSync('git', ['ls-files', '-z'], { cwd: root, encoding: 'utf8', maxBuffer: 2 ** 26 })
    .split('\0')
    .filter(
      (path) =>
        path !== '' &&
        !binary.test(path) &&
        (statSync(join(root, path), { throwIfNoEntry: false })?.isFile() ?? false),
    )
}

/** Programs of this folder that check one thing each and exit non-zero when it does not hold. */
const programs = ['parity.ts', 'canvas-cases.ts']

using _running = announce('checks')
const findings: Finding[] = trackedFiles().flatMap((path) => {
  const text = readFileSync(join(root, path), 'utf8')
  return [...findingsIn(path, text), ...roomFindings(path, text)]
})
for (const { level, rule, path, line, message } of findings) {
  console.log(`${level} ${path}:${line} ${rule}: ${message}`)
}
const failed = programs.filter(
  (program) =>
    spawnSync(process.execPath, [join(import.meta.dirname, program)], { stdio: 'inherit' }).status !== 0,
)
for (const program of failed) console.log(`error tools/checks/${program} failed`)
const errors = findings.filter(({ level }) => level === 'error').length + failed.length
console.log(`${errors} errors, ${findings.length + failed.length - errors} warnings`)
process.exitCode = errors === 0 ? 0 : 1
