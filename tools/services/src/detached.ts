import { spawn } from 'node:child_process'
import { chownSync, closeSync, existsSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { say } from './progress.ts'
import { run } from './run.ts'
import type { ServiceProcess } from './service.ts'

/** What a pid file says. The start time makes sure that a pid which was given out again is not taken for ours. */
interface PidRecord {
  pid: number
  startedAt: string
  stopSignal: NodeJS.Signals
}

export interface DetachedProcess {
  /** The last lines of its log. */
  logTail(): string
  /** Says why the process ended, or `undefined` while it runs. */
  ended(): string | undefined
}

/** Starts a process that lives on when this one ends; leaves `<label>.pid` and `<label>.log` in the folder. */
export async function startDetached(folder: string, spec: ServiceProcess): Promise<DetachedProcess> {
  const logFile = join(folder, `${spec.label}.log`)
  const log = openSync(logFile, 'w')
  if (spec.user) chownSync(logFile, spec.user.uid, spec.user.gid)
  const child = spawn(spec.command, spec.args, {
    cwd: folder,
    env: { ...process.env, ...spec.env },
    stdio: ['ignore', log, log],
    detached: true,
    ...spec.user,
  })
  closeSync(log)
  let end: string | undefined
  child.once('error', (error) => (end = String(error)))
  child.once('exit', (code, signal) => (end = `ended with ${signal ?? `exit code ${code}`}`))
  child.unref()
  if (child.pid !== undefined) {
    const startedAt = (await startTime(child.pid)) ?? ''
    const record: PidRecord = { pid: child.pid, startedAt, stopSignal: spec.stopSignal ?? 'SIGTERM' }
    writeFileSync(join(folder, `${spec.label}.pid`), `${JSON.stringify(record)}\n`)
  }
  return {
    ended: () => end,
    logTail: () => readFileSync(logFile, 'utf8').trimEnd().split('\n').slice(-15).join('\n'),
  }
}

/** The pid of the process that this pid file stands for, if it still runs. */
export async function runningPid(folder: string, label: string): Promise<number | undefined> {
  return (await readRecord(folder, label))?.pid
}

/** Stops a process by its pid file: politely, then after 20 seconds its whole group with SIGKILL. */
export async function stopDetached(folder: string, label: string): Promise<boolean> {
  const record = await readRecord(folder, label)
  if (record) {
    const { pid, startedAt, stopSignal } = record
    const alive = async (): Promise<boolean> => (await startTime(pid)) === startedAt
    signal(pid, stopSignal)
    for (let waited = 0; waited < 20_000 && (await alive()); waited += 50) {
      if (waited > 0 && waited % 3000 === 0) say(label, `stopping (${waited / 1000} s)`)
      await delay(50)
    }
    signal(-pid, 'SIGKILL')
  }
  rmSync(join(folder, `${label}.pid`), { force: true })
  return record !== undefined
}

async function readRecord(folder: string, label: string): Promise<PidRecord | undefined> {
  const file = join(folder, `${label}.pid`)
  if (!existsSync(file)) return undefined
  const record = JSON.parse(readFileSync(file, 'utf8')) as PidRecord
  return (await startTime(record.pid)) === record.startedAt ? record : undefined
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name)
  } catch {
    // Already gone, which is what was wanted.
  }
}

/** Whether a process runs. A zombie, which only waits for its parent to ask for its exit code, does not. */
export async function isAlive(pid: number): Promise<boolean> {
  return (await startTime(pid)) !== undefined
}

/** Something that differs between two processes that had the same pid; `undefined` for a dead process or a zombie. */
async function startTime(pid: number): Promise<string | undefined> {
  if (process.platform !== 'linux') {
    const { code, stdout } = await run('ps', ['-o', 'lstart=', '-p', String(pid)])
    return code === 0 ? stdout.trim() : undefined
  }
  try {
    // Field 2 may hold blanks, hence the split behind its bracket. State is field 3, start time field 22.
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
      .replace(/^.*\) /s, '')
      .split(' ')
    return fields[0] === 'Z' ? undefined : fields[19]
  } catch {
    return undefined
  }
}
