import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Writable } from 'node:stream'

/**
 * Child processes and temporary folders that must not outlive this process, not even when it is killed with SIGKILL.
 *
 * A tiny shell process in a session of its own holds the other end of a pipe. When this process ends, in whatever way,
 * the kernel closes the pipe; the shell reads the end of file, kills the process groups it was told of and removes
 * the folders. An exit handler could not do that: SIGKILL and crashes run none.
 */
const SCRIPT = `
trap '' INT TERM HUP
pids=''
while read -r verb value; do
  case $verb in
    +pid) pids="$pids $value" ;;
    -pid) left=''; for pid in $pids; do [ "$pid" = "$value" ] || left="$left $pid"; done; pids=$left ;;
    +dir) set -- "$@" "$value" ;;
  esac
done
# In this form only: dash takes no "--" behind -KILL, and "-s" is what POSIX asks for.
for pid in $pids; do kill -s KILL -- "-$pid"; done 2>/dev/null
[ $# = 0 ] || rm -rf -- "$@" || { sleep 1; rm -rf -- "$@"; }
`

let guard: Writable | undefined

function tell(line: string): void {
  if (!guard) {
    const shell = spawn('/bin/sh', ['-c', SCRIPT], {
      detached: true,
      stdio: ['pipe', 'ignore', 'ignore'],
      cwd: '/',
    })
    shell.unref()
    // A pipe is a socket to Node; unref keeps it from holding the event loop open.
    ;(shell.stdin as Writable & { unref?: () => void }).unref?.()
    shell.stdin.on('error', () => undefined)
    guard = shell.stdin
  }
  guard.write(`${line}\n`)
}

/** Ties a child to this process. It must have been spawned with `detached: true`, so that it leads a group of its own. */
export function guardProcess<C extends ChildProcess>(child: C): C {
  const { pid } = child
  if (pid !== undefined) {
    tell(`+pid ${pid}`)
    child.once('exit', () => tell(`-pid ${pid}`))
  }
  return child
}

/** A new folder below the system's temporary folder, removed when this process ends. */
export function guardedDirectory(prefix: string): string {
  const directory = mkdtempSync(join(tmpdir(), `ct-${prefix}-`))
  tell(`+dir ${directory}`)
  return directory
}
