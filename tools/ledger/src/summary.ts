import type { CampaignReport } from './campaign.ts'

/** What a campaign came to, for people. */
export function summarize(report: CampaignReport): string {
  const { options, faults, verdict, leftovers, retryOverSuccess, violations, histories, drainedMs } = report
  const { orders, units, repeated, missing } = verdict
  const kinds = new Map<string, number>()
  for (const { kind } of faults) kinds.set(kind, (kinds.get(kind) ?? 0) + 1)
  const again = [...repeated.values()].reduce((sum, count) => sum + count, 0)
  const lines = [
    `ledger on ${options.broker ?? 'redis'}, seed ${options.seed}: ${violations.length === 0 ? 'passed' : `${violations.length} VIOLATIONS`}`,
    `  orders    ${orders.sent} sent, ${orders.confirmed} confirmed, ${orders.refused} refused`,
    `  tasks     ${units.ended} ended (${units.byLanguage.ct} in ct, ${units.byLanguage.py} in Python), ${units.due} were due, ${missing.length} lost`,
    `  faults    ${list(kinds) || 'none'}`,
    `  repeated  ${again}${again === 0 ? '' : `: ${list(repeated)}`}`,
    `  drained   in ${drainedMs} ms`,
    `  keys      ${list(leftovers.documented) || 'none'}`,
  ]
  if (retryOverSuccess > 0)
    lines.push(
      `  Celery's   ${retryOverSuccess} results where Python wrote RETRY over the SUCCESS of the retry`,
    )
  for (const line of violations.slice(0, 30)) lines.push(`  ! ${line}`)
  if (violations.length > 30) lines.push(`  ! … and ${violations.length - 30} more`)
  for (const [unit, history] of histories)
    lines.push(`  The server about ${unit}:`, ...history.map((line) => `    ${line}`))
  return lines.join('\n')
}

function list(counts: ReadonlyMap<string, number>): string {
  return [...counts].map(([what, count]) => `${count} ${what}`).join(', ')
}
