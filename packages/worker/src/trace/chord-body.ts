/** The body of a chord, sent with the values of its members. */
import { ChordError, isRetryable, pyRepr, readSignature, type SignatureSource } from '@ct/contracts'
import { failChord, type ReportPart } from './chord-error.ts'
import type { ChordMember } from './chord-member.ts'
import { sent } from './effects.ts'
import type { TraceServices } from './ports.ts'

/**
 * A body that cannot be published fails like a failed header. While the broker is merely away it is tried again, unless Celery's defaults
 * are wanted. `keep` keeps the claim, before each try; false when it is lost, and nothing was published.
 */
export async function publishBody(
  services: TraceServices,
  member: ChordMember,
  body: SignatureSource,
  values: readonly unknown[],
  keep: () => Promise<boolean>,
  report: ReportPart,
): Promise<boolean> {
  const publish = async (): Promise<boolean> => {
    if (!(await keep())) return false
    await sendBody(services, member, body, values)
    return true
  }
  try {
    return await sent(services, `The body of chord ${member.groupId} could not be published`, publish)
  } catch (error) {
    if (services.defaults === 'ct' && isRetryable(error)) throw error
    services.log.error(`The body of chord ${member.groupId} could not be published.`, { error })
    await failChord(
      services,
      body,
      new ChordError(`Callback error: ${pyRepr(error)}`, { cause: error }),
      report,
    )
    return true
  }
}

async function sendBody(
  services: TraceServices,
  member: ChordMember,
  body: SignatureSource,
  values: readonly unknown[],
): Promise<void> {
  const { options } = readSignature(body)
  await services.sender.call(body, {
    args: [values],
    // Ids stored in the body (a chord sent by a worker as a step of a chain) win over those of the member that completed it.
    rootId: textOr(options.root_id, member.rootId),
    parentId: textOr(options.parent_id, member.taskId),
    // Inherited, where it has none of its own.
    ...(member.priority === undefined || options['priority'] != null ? {} : { priority: member.priority }),
  })
}

function textOr(value: unknown, fallback: string): string {
  return typeof value === 'string' && value !== '' ? value : fallback
}
