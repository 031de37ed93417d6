import { describe, expect, it } from 'vitest'
import { cpuQuota, cpusAllowed } from './cpu-count.ts'

const files = (content: Readonly<Record<string, string>>) => (path: string) => content[path]
const status = (list: string): string => `Name:\tnode\nCpus_allowed:\tff\nCpus_allowed_list:\t${list}\n`

describe('D57-118, D57-178: how many CPUs auto means', () => {
  it('those of the affinity mask', () => {
    expect(cpusAllowed(files({ '/proc/self/status': status('0-7') }))).toBe(8)
    expect(cpusAllowed(files({ '/proc/self/status': status('0,2-3,9') }))).toBe(4)
    expect(cpusAllowed(() => undefined)).toBeGreaterThan(0)
  })

  it('for children no more than the smallest quota up the tree, rounded up (version 2)', () => {
    const read = files({
      '/proc/self/status': status('0-15'),
      '/proc/self/cgroup': '0::/pod/worker\n',
      '/sys/fs/cgroup/pod/worker/cpu.max': 'max 100000\n',
      '/sys/fs/cgroup/pod/cpu.max': '250000 100000\n',
    })
    expect(cpuQuota(read)).toBe(3)
    expect(cpusAllowed(read)).toBe(16)
  })

  it('the same for version 1, at least 1, and the mask when there is no quota', () => {
    const own = { '/proc/self/status': status('0-3'), '/proc/self/cgroup': '4:cpu,cpuacct:/docker/x\n' }
    expect(cpuQuota(files(own))).toBe(4)
    const quota = (value: string): Record<string, string> => ({
      ...own,
      '/sys/fs/cgroup/cpu,cpuacct/docker/x/cpu.cfs_quota_us': value,
      '/sys/fs/cgroup/cpu,cpuacct/docker/x/cpu.cfs_period_us': '100000',
    })
    expect(cpuQuota(files(quota('20000')))).toBe(1)
    expect(cpuQuota(files(quota('150000')))).toBe(2)
    expect(cpuQuota(files(quota('-1')))).toBe(4)
  })
})
