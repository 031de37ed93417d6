/** The answer to `stats` (worker-behaviour §7.2). Nothing secret is in it. */
import type { CommandTarget } from './command.ts'

export function stats(target: CommandTarget): Record<string, unknown> {
  const credit = target.credit.current
  return {
    total: Object.fromEntries(target.state.totals),
    pid: process.pid,
    clock: String(target.context.clock.value),
    uptime: Math.round((target.context.now() - target.startedAt) / 1000),
    pool: target.pool.info(),
    ...(target.autoscaler === undefined ? {} : { autoscaler: target.autoscaler.info() }),
    broker: broker(target),
    prefetch_count: Number.isFinite(credit) ? credit : 0,
    rusage: resourceUsage(),
  }
}

function broker({ context }: CommandTarget): Record<string, unknown> {
  const { settings } = context
  const server = context.broker.describe()
  return {
    hostname: server.hostname ?? null,
    userid: server.userid ?? null,
    virtual_host: server.virtualHost ?? null,
    port: server.port ?? null,
    insist: false,
    ssl: server.ssl,
    transport: server.transport,
    connect_timeout: settings.brokerConnectionTimeout,
    transport_options: {},
    login_method: settings.brokerLoginMethod,
    uri_prefix: null,
    heartbeat: settings.brokerHeartbeat,
    failover_strategy:
      typeof settings.brokerFailoverStrategy === 'string' ? settings.brokerFailoverStrategy : 'round-robin',
    alternates: server.alternates ?? [],
    credential_provider: null,
  }
}

function resourceUsage(): Record<string, number> {
  const usage = process.resourceUsage()
  return {
    utime: usage.userCPUTime / 1e6,
    stime: usage.systemCPUTime / 1e6,
    maxrss: usage.maxRSS,
    ixrss: usage.sharedMemorySize,
    idrss: usage.unsharedDataSize,
    isrss: usage.unsharedStackSize,
    minflt: usage.minorPageFault,
    majflt: usage.majorPageFault,
    nswap: usage.swappedOut,
    inblock: usage.fsRead,
    oublock: usage.fsWrite,
    msgsnd: usage.ipcSent,
    msgrcv: usage.ipcReceived,
    nsignals: usage.signalsCount,
    nvcsw: usage.voluntaryContextSwitches,
    nivcsw: usage.involuntaryContextSwitches,
  }
}
