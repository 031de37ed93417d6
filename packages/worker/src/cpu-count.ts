/**
 * How many CPUs `concurrency: 'auto'` means (celery/utils/cpu.py 5.7; D57-118): those that this process may use, and for child processes no
 * more than the smallest quota of its control groups.
 */
import { readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { dirname, join } from 'node:path/posix'

type Read = (path: string) => string | undefined

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}

/** CPUs of the affinity mask. */
export function cpusAllowed(read: Read = readText): number {
  const list = /^Cpus_allowed_list:\s*(\S+)/m.exec(read('/proc/self/status') ?? '')?.[1]
  if (list === undefined) return availableParallelism()
  const count = list.split(',').reduce((sum, range) => {
    const [from, to = from] = range.split('-').map(Number)
    return sum + (to! - from! + 1)
  }, 0)
  return Number.isSafeInteger(count) && count > 0 ? count : availableParallelism()
}

/** {@link cpusAllowed}, bounded by the quota of the control groups, rounded up. */
export function cpuQuota(read: Read = readText): number {
  const quotas = (read('/proc/self/cgroup') ?? '').split('\n').flatMap((line) => {
    const [, controllers, path] = /^\d+:([^:]*):(.*)$/.exec(line) ?? []
    if (controllers === undefined || path === undefined) return []
    if (controllers === '') return upwards(path).map((group) => quotaOfVersion2(group, read))
    return controllers.split(',').includes('cpu')
      ? upwards(path).map((group) => quotaOfVersion1(controllers, group, read))
      : []
  })
  const smallest = Math.min(Infinity, ...quotas)
  return Math.max(1, Math.min(cpusAllowed(read), Math.ceil(smallest)))
}

/** The group, and those around it. */
function upwards(path: string): string[] {
  const groups = [path]
  for (let group = path; group !== '/' && group !== '.'; group = dirname(group)) groups.push(dirname(group))
  return groups
}

function quotaOfVersion2(group: string, read: Read): number {
  const [quota, period] = (read(join('/sys/fs/cgroup', group, 'cpu.max')) ?? '').trim().split(' ')
  return ratio(Number(quota), Number(period))
}

function quotaOfVersion1(controllers: string, group: string, read: Read): number {
  for (const mount of [controllers, 'cpu']) {
    const value = (file: string): number => Number(read(join('/sys/fs/cgroup', mount, group, file)) ?? NaN)
    const quota = ratio(value('cpu.cfs_quota_us'), value('cpu.cfs_period_us'))
    if (quota !== Infinity) return quota
  }
  return Infinity
}

function ratio(quota: number, period: number): number {
  return quota > 0 && period > 0 ? quota / period : Infinity
}
