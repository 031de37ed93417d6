import { withLock } from './lock.ts'
import { say } from './progress.ts'
import { findProgram, run } from './run.ts'
import { ServiceError } from './errors.ts'

/**
 * Debian starts a server as soon as its package is installed. A policy file forbids that while we install, unless the
 * machine has a policy already (images for containers do); it is removed whatever happens.
 */
const INSTALL = `
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  trap 'rm -f "$policy"' EXIT INT TERM HUP
  printf '#!/bin/sh\\nexit 101\\n' > "$policy"
  chmod 755 "$policy"
fi
apt-get -o DPkg::Lock::Timeout=300 update || echo 'apt-get update failed; trying with the lists that are there'
apt-get -o DPkg::Lock::Timeout=300 install -y --no-install-recommends "$@"
`

/** Whether Debian packages can be installed here without asking anybody. */
export function canInstallPackages(): boolean {
  return process.getuid?.() === 0 && findProgram('apt-get') !== undefined
}

/**
 * Installs Debian packages without questions; starts, stops and disables no server.
 *
 * @throws {ServiceError} `CT_SERVICE_MISSING` with the end of apt's output when it fails.
 */
export async function installPackages(who: string, packages: readonly string[]): Promise<void> {
  await withLock('apt', async () => {
    say(who, `installing ${packages.join(', ')} with apt-get`)
    let shown = 0
    const result = await run('/bin/sh', ['-c', INSTALL, 'sh', ...packages], {
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive', LC_ALL: 'C' },
      onLine: (line) => {
        // A line a second is progress enough.
        if (performance.now() - shown < 1000 || !/^(Get|Unpacking|Setting up)/.test(line)) return
        shown = performance.now()
        say(who, line.slice(0, 100))
      },
    })
    if (result.code !== 0) {
      const tail = (result.stdout + result.stderr).trim().split('\n').slice(-10).join('\n')
      throw new ServiceError(
        'CT_SERVICE_MISSING',
        `${who}: apt-get could not install ${packages.join(' ')}:\n${tail}`,
      )
    }
  })
}
