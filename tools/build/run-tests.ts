/**
 * `npm test`: everything there is to prove, through Nx, with the services it needs.
 *
 *   npm test                      everything
 *   npm test -- unit types        only these targets
 *
 * Ends with one line, `N passed, N failed` (`, N skipped`): the tests of all vitest runs, and one for each lint, types, build, pack and
 * checks target. With `CI` set, a missing service is a failure; elsewhere its tests are skipped, with a notice.
 *
 * A machine that stood still for seconds fails a test that is right. So there is a second attempt for one or two suites that need servers,
 * and for one or two unit suites in which at most two tests failed; also for a suite under which Node itself crashed, as it may while threads
 * start and end (https://github.com/nodejs/node/issues/56312). The first attempt is printed in full, and what failed in it is named again at
 * the end, so that a race is seen. Only the second one counts.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { isCi, tryServices } from '@ct-tools/services'
import { progressFile } from './announce.ts'
import { bold, clock, dim, Display, red, yellow } from './display.ts'
import { type EndedTask, plannedTasks, runTargets, workspace } from './nx-run.ts'
import { secondAttemptsOf } from './second-attempt.ts'
import { add, failuresOfTask, lineOf, type Tally, tallyOfTask } from './tally.ts'

/** Those whose absence makes a suite say less. Each is looked for by itself: one that is missing hides no other. */
const services = ['redis', 'rabbitmq'] as const
const withoutServices = ['lint', 'types', 'build', 'unit', 'pack', 'checks']
const withServices = ['conformance', 'interop']
const suites = new Set(['unit', 'conformance', 'interop'])

const progress = mkdtempSync(join(tmpdir(), 'ct-progress-'))
const display = new Display(progress)
const total: Tally = { passed: 0, failed: 0, skipped: 0 }
const byTarget = new Map<string, Tally>()
const failures: string[] = []
/** Tasks that have been shown. */
const reported = new Set<string>()
/** Suites that passed at their second attempt, with what had failed at the first. */
const secondAttempts = new Map<string, readonly string[]>()
/** Suites whose process was ended by a fault of Node's own code. */
const crashed = new Set<string>()
const crash = /Worker exited unexpectedly with signal SIG(?:SEGV|BUS|ILL)/

function count(target: string, tally: Tally): void {
  add(total, tally)
  const sum = byTarget.get(target) ?? { passed: 0, failed: 0, skipped: 0 }
  add(sum, tally)
  byTarget.set(target, sum)
}

/** `@ct/client:unit` → the file in which that suite leaves its summary. */
function summaryOf(task: string): string | undefined {
  const [project = '', target = ''] = task.split(':')
  if (!suites.has(target)) return undefined
  const slug = project.replace(/^@ct\//, 'packages-').replace(/^@ct-tools\//, 'tools-')
  return join(workspace, '.test-results', target, `${slug}.json`)
}

/** Starts what is needed and returns the names of what answers. */
async function bringServices(): Promise<string[]> {
  const answering = await Promise.all(
    services.map(async (name) => {
      try {
        return (await tryServices([name])) === undefined ? undefined : name
      } catch (error) {
        const output = error instanceof Error ? error.message : String(error)
        display.print(`${red('✗')} service ${name}: ${output}`)
        failures.push(`service ${name}`)
        count('services', { passed: 0, failed: 1, skipped: 0 })
        return undefined
      }
    }),
  )
  return answering.filter((name) => name !== undefined)
}

async function phase(
  targets: readonly string[],
  env: NodeJS.ProcessEnv,
  planned: readonly string[],
): Promise<void> {
  if (targets.length === 0 || planned.length === 0) return
  // A build that an earlier phase has made comes from the cache here, and has been counted.
  const seen = new Set(reported)
  const ended: EndedTask[] = await runTargets({
    targets,
    parallel: 2,
    progress,
    env,
    onEnded(task, ok, cached, output) {
      if (seen.has(task)) return
      seen.add(task)
      reported.add(task)
      const tests = suites.has(task.split(':')[1] ?? '') ? lineOf(tallyOfTask(ok, summaryOf(task))) : ''
      display.ended(task, ok, [tests, cached ? 'from cache' : ''].filter((part) => part !== '').join(', '))
      if (!ok) {
        display.print(output)
        failures.push(task)
        if (crash.test(output)) crashed.add(task)
      }
    },
  })
  for (const task of await tryAgain(ended, env)) {
    if (!planned.includes(task.id)) continue
    const target = task.id.split(':')[1] ?? ''
    count(target, tallyOfTask(task.ok, summaryOf(task.id)))
    if (!task.ok && !failures.includes(task.id)) failures.push(task.id)
  }
  // What did not run proves nothing, and so counts against the whole.
  for (const id of planned.filter((task) => !ended.some((one) => one.id === task))) {
    display.ended(id, false, 'not run: what it depends on failed')
    failures.push(`${id} (not run)`)
    count(id.split(':')[1] ?? '', { passed: 0, failed: 1, skipped: 0 })
  }
}

/** The results, those of a second attempt in place of a first that failed. */
async function tryAgain(ended: readonly EndedTask[], env: NodeJS.ProcessEnv): Promise<readonly EndedTask[]> {
  const failed = ended
    .filter(({ ok }) => !ok)
    .map(({ id }) => ({ id, failures: failuresOfTask(summaryOf(id)), crashed: crashed.has(id) }))
  const again = secondAttemptsOf(failed)
  if (again.length === 0) return ended
  const ids = new Set(again)
  display.print(yellow(`A second attempt for ${[...ids].join(', ')}`))
  display.expect(ids.size)
  for (const id of ids) rmSync(progressFile(progress, id, 'failed'), { force: true })
  const results = await runTargets({
    targets: [...new Set(again.map((id) => id.split(':')[1] ?? ''))],
    projects: [...new Set(again.map((id) => id.split(':')[0] ?? ''))],
    parallel: 1,
    progress,
    env,
    onEnded(task, ok, _cached, output) {
      if (!ids.delete(task)) return
      display.ended(task, ok, `${lineOf(tallyOfTask(ok, summaryOf(task)))}, second attempt`)
      if (!ok) display.print(output)
    },
  })
  const second = new Map(results.map((task) => [task.id, task]))
  return ended.map((task) => {
    const other = task.ok ? undefined : second.get(task.id)
    if (other?.ok !== true) return task
    failures.splice(failures.indexOf(task.id), 1)
    const first = failed.find(({ id }) => id === task.id)
    secondAttempts.set(task.id, first?.failures ?? ['no summary: its process crashed'])
    return other
  })
}

async function main(): Promise<void> {
  const wanted = process.argv.slice(2)
  const chosen = (targets: readonly string[]): string[] =>
    targets.filter((target) => wanted.length === 0 || wanted.includes(target))
  const unknown = wanted.filter((target) => ![...withoutServices, ...withServices].includes(target))
  if (unknown.length > 0) throw new Error(`no such target: ${unknown.join(', ')}`)

  const [first, second] = [chosen(withoutServices), chosen(withServices)]
  const env = { ...process.env }
  const planned = await plannedTasks([...first, ...second], env)
  const isIn =
    (targets: readonly string[]) =>
    (task: string): boolean =>
      targets.includes(task.split(':')[1] ?? '')
  // A build that a later phase needs belongs to the first.
  const secondPlan = planned.filter(isIn(second))
  const firstPlan = planned.filter((task) => !isIn(second)(task))
  display.expect(planned.length)
  // Servers start (or are installed) while what needs none is running.
  const answering = secondPlan.length > 0 ? bringServices() : Promise.resolve([])
  await phase(first, env, firstPlan)
  await phase(second, { ...env, CT_SERVICES: (await answering).join(',') }, secondPlan)
}

function report(): void {
  display.close()
  console.log()
  for (const [target, tally] of byTarget) console.log(`  ${target.padEnd(12)} ${lineOf(tally)}`)
  if (failures.length > 0) {
    console.log(`\n${bold(red('Failed:'))}`)
    for (const what of failures) console.log(`  ${what}`)
  }
  if (secondAttempts.size > 0) {
    console.log(`\n${bold(yellow('Failed at first, passed at the second attempt (see above):'))}`)
    for (const [suite, what] of secondAttempts) {
      console.log(`  ${suite}`)
      for (const failure of what) console.log(`    ${failure.replace(workspace, '')}`)
    }
  }
  if (total.skipped > 0 && !isCi())
    console.log(yellow('\nSkipped tests need a service or program that this machine lacks (see above).'))
  console.log(dim(`\n${clock(display.elapsedMs)} on ${process.platform}, Node ${process.version}`))
  console.log(lineOf(total))
}

try {
  await main()
} catch (error) {
  display.print(red(error instanceof Error ? error.message : String(error)))
  failures.push('the run itself')
  count('runner', { passed: 0, failed: 1, skipped: 0 })
} finally {
  rmSync(progress, { recursive: true, force: true })
}
report()
process.exitCode = total.failed > 0 ? 1 : 0
