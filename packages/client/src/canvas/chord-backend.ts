/** What a result backend must know of a chord before its members are sent (wire: "Chord mechanics per backend"). */
import { ConfigurationError, encodeResultHandle, UnsupportedError } from '@ct/contracts'
import type { ResultHandle } from '@ct/contracts'
import type { AppContext } from '../app/context.ts'
import { builtinTasks } from './builtin-task-names.ts'
import { encodeChordNote } from './chord-note.ts'
import type { FrozenResult } from './frozen-result.ts'
import { publishTasks } from './publish-tasks.ts'
import { prepareTask } from './send-task-message.ts'
import type { AnySignature } from './signature.ts'

/** How the members of a chord are counted. Throws `CT_UNSUPPORTED` where they cannot be (CANVAS-78). */
export function chordKind({ backend }: AppContext): 'native' | 'counter' | 'unlock' {
  const kind = backend?.capabilities.chord ?? 'none'
  if (kind !== 'none') return kind
  throw new UnsupportedError(
    backend === undefined
      ? 'A chord needs a result backend, and the app has none. Give createApp({ backend: … }).'
      : `A chord needs a result backend that counts its members; ${backend.name} does not.`,
  )
}

export interface ChordStart {
  readonly groupId: string
  /** Parts to wait for. */
  readonly size: number
  readonly header: FrozenResult
  readonly body: AnySignature
  /** The chord's own options: `interval` and `max_retries` are the polling task's. */
  readonly options: Readonly<Record<string, unknown>>
}

/** The store learns how many parts there are before the first member is sent, so that a fast header cannot end unseen. */
export async function beginChord(context: AppContext, chord: ChordStart): Promise<void> {
  const { results, settings } = context
  const kind = chordKind(context)
  const { groupId, size, header, body, options } = chord
  // With nested groups the values are joined by this document, in its structure (CANVAS-77).
  const nested = header.children?.some(({ children }) => children !== null) === true
  if (nested || kind === 'counter') await results.saveGroup(readableFrom(header))
  if (kind === 'unlock') {
    const unlock = prepareTask(context, {
      task: builtinTasks.chordUnlock,
      args: [groupId, body],
      kwargs: {
        interval: options['interval'] ?? null,
        max_retries: options['max_retries'] ?? null,
        result: readableFrom(header).children!.map(encodeResultHandle),
      },
      options: {
        countdown: settings.resultChordRetryInterval,
        ignore_result: true,
        add_to_parent: false,
        ...unlockRoute(context, body),
      },
    })
    await publishTasks(context, [unlock])
    return
  }
  const note =
    kind === 'native' && context.defaults === 'ct' && settings.chordSweepIntervalMs > 0
      ? noteOn(context, chord)
      : undefined
  await results.beginChord({ groupId, size, expiresInMs: chordExpiresInMs(context), note })
}

/** Results before a result that are kept with it, where it is one of many. */
const mostBefore = 100

/**
 * A header for its members to be read from: for that their ids are enough. Lines of results that are longer than anybody reads are cut, since each nests
 * in the next.
 */
function readableFrom(header: FrozenResult): ResultHandle {
  return { ...header, children: (header.children ?? []).map((member) => cut(member, mostBefore)) }
}

function cut(result: ResultHandle, before: number): ResultHandle {
  const { id, parent, children } = result
  return {
    id,
    parent: parent === null || before === 0 ? null : cut(parent, before - 1),
    children: children === null ? null : children.map((child) => cut(child, mostBefore)),
  }
}

/** Workers see a chord by its parts; one of which no part ever comes they would never see. */
function noteOn(context: AppContext, { groupId, size, header, body }: ChordStart): Uint8Array {
  const taskId = header.children?.[0]?.id ?? groupId
  const { root_id: rootId } = body.options
  const now = context.now()
  return encodeChordNote({
    body,
    rootId: typeof rootId === 'string' ? rootId : taskId,
    taskId,
    since: now,
    progressAt: now,
    count: 0,
    size,
  })
}

/** `result_chord_expires`, else as results; 0 and null: for good (D57-7). */
function chordExpiresInMs({ settings }: AppContext): number | undefined {
  const seconds = settings.resultChordExpires ?? settings.resultExpires
  return seconds === null || seconds === 0 ? undefined : seconds * 1000
}

/** `celery.chord_unlock` goes where the body goes (CANVAS-68, D57-85). */
function unlockRoute(context: AppContext, body: AnySignature): Record<string, unknown> {
  const keys = ['queue', 'exchange', 'exchange_type', 'routing_key', 'headers', 'priority']
  const route = Object.fromEntries(
    keys.flatMap((key) => (body.options[key] == null ? [] : [[key, body.options[key]]])),
  )
  if (route['queue'] !== undefined) return route
  const queue = context.router.route(body.task, undefined).queueName
  if (queue === undefined && route['exchange'] === undefined) {
    throw new ConfigurationError(`The body of a chord, ${body.task}, is routed to no queue.`)
  }
  return queue === undefined ? route : { queue, ...route }
}
