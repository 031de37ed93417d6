/** The app as tracing needs it: {@link TraceServices} over an `AppContext`. */
import {
  builtinTasks,
  Outbox,
  publishTask,
  signatureFromDict,
  type AnySignature,
  type AppContext,
  type EventDispatcher,
  type TaskOutcome,
} from '@ct/client'
import {
  decodeException,
  exceptionStates,
  RawJson,
  resendableHeaders,
  sliceJsonArray,
  UnsupportedError,
  type ExtendedResultMeta,
  type NativeChord,
  type ResultMeta,
  type ResultWrite,
  type SignatureSource,
} from '@ct/contracts'
import type { Request } from './request/index.ts'
import type {
  CallOf,
  ChordPartValue,
  Chords,
  ResultState,
  ResultSubject,
  Results,
  RetryCopy,
  Sender,
  TaskEvents,
  TraceLog,
} from './trace/index.ts'

export function resultsOf(context: AppContext, hostname: string): Results {
  const { results: store, backend, readBroker, settings } = context
  const extended = settings.resultExtended
  const toCaller = backend?.capabilities.readers === 'caller'
  return {
    enabled: backend !== undefined,
    canSettle: backend !== undefined && readBroker.settlesWith(backend),
    readable: backend?.capabilities.readers === 'anyone',
    encode(subject, state) {
      if (backend === undefined) return undefined
      const { request } = subject
      if (toCaller && (request?.message.replyTo ?? null) === null) return undefined
      return store.encodeResult(outcomeOf(subject, state, hostname, extended))
    },
    store: (writes: readonly ResultWrite[]) => store.store(writes),
    async meta(taskId) {
      const [meta] = await store.findMetas([taskId])
      return meta
    },
    errorOf: (meta: ResultMeta) => decodeException(meta.result, meta.traceback),
  }
}

function outcomeOf(
  subject: ResultSubject,
  state: ResultState,
  hostname: string,
  extended: boolean,
): TaskOutcome {
  const { request } = subject
  if (request === undefined) {
    return {
      taskId: subject.taskId,
      state: state.state,
      result: state.result,
      traceback: state.traceback ?? null,
      children: state.children ?? null,
      groupId: subject.groupId ?? null,
      parentId: subject.parentId ?? null,
    }
  }
  const { message } = request
  return {
    taskId: subject.taskId,
    state: state.state,
    result: state.result,
    traceback: state.traceback ?? null,
    children: state.children ?? null,
    groupId: message.group,
    parentId: message.parentId,
    replyTo: message.replyTo,
    correlationId: message.correlationId,
    extended: extended ? extendedOf(request, hostname) : undefined,
  }
}

function extendedOf(request: Request, hostname: string): ExtendedResultMeta {
  const { message, delivery, body } = request
  return {
    name: message.task,
    args: body.args,
    kwargs: body.kwargs,
    worker: hostname,
    retries: message.retries,
    queue: delivery.info.routingKey,
    ...(message.stampedHeaders === null
      ? {}
      : { stampedHeaders: message.stampedHeaders, stamps: message.stamps }),
  }
}

export function chordsOf(context: AppContext): Chords {
  const { results: store, backend, readBroker, settings } = context
  const expires = settings.resultChordExpires ?? settings.resultExpires
  const native = async (): Promise<NativeChord> => {
    const { chord } = await store.connection()
    if (chord === undefined) throw new UnsupportedError('The result backend does not count chords.')
    return chord
  }
  return {
    kind: backend?.capabilities.chord ?? 'none',
    canSettle:
      backend?.capabilities.chord === 'native' &&
      readBroker.capabilities.carries?.chordParts === true &&
      readBroker.settlesWith(backend),
    expiresInMs: expires === null || expires === 0 ? undefined : expires * 1000,
    native,
    async counter() {
      const { chordCounter } = await store.connection()
      if (chordCounter === undefined) throw new UnsupportedError('The result backend has no counters.')
      return chordCounter
    },
    encodePart(taskId, state, result) {
      const value = exceptionStates.has(state) ? store.codec.exceptionDocument(result) : (result ?? null)
      return store.codec.encodeValue([1, taskId, state, value])
    },
    decodePart: (part) => partValue(context, part),
    savedGroup: (groupId) => store.restoreGroup(groupId),
    forgetGroup: (groupId) => store.deleteGroup(groupId),
  }
}

/** `[1, id, state, value]`. With JSON the value stays source text: it is only passed on. */
function partValue(context: AppContext, part: Uint8Array): ChordPartValue {
  const decoded = context.results.codec.decodeValue(part)
  if (!Array.isArray(decoded) || decoded.length < 4)
    throw new UnsupportedError('A part of the chord is not readable.')
  const [, taskId, state, value] = decoded as [unknown, unknown, unknown, unknown]
  const failed = exceptionStates.has(String(state))
  return {
    taskId: String(taskId),
    state: String(state),
    value: failed ? decodeException(value) : (rawValue(context, part) ?? value),
  }
}

function rawValue(context: AppContext, part: Uint8Array): RawJson | undefined {
  if (context.settings.resultSerializer !== 'json' || part[0] !== 91) return undefined
  const members = sliceJsonArray(Buffer.from(part.buffer, part.byteOffset, part.byteLength).toString('utf8'))
  return members.length === 4 ? RawJson.trusted(members[3]!) : undefined
}

export function senderOf(context: AppContext): Sender {
  const { broker, readBroker } = context
  const carries = broker === readBroker && readBroker.capabilities.carries?.messages === true
  // A list that is sent again, because some of it could not be sent, has the ids it had: what was sent is the same task once more, not another one.
  const groups = new WeakMap<readonly SignatureSource[], AnySignature>()
  return {
    ...(carries
      ? {
          outbox: (request) => new Outbox(context, (message) => request.delivery.carries?.(message) === true),
        }
      : {}),
    async call(signature, call) {
      const sent = await signatureFromDict(context.app, signature).send({
        args: call.args,
        kwargs: {},
        options: callOptions(call),
        outbox: call.outbox,
      })
      return sent ?? { id: '', parent: null, children: [] }
    },
    async callGroup(signatures, call) {
      let group = groups.get(signatures)
      if (group === undefined) {
        group = signatureFromDict(context.app, {
          task: builtinTasks.group,
          args: [],
          kwargs: { tasks: signatures },
          options: {},
          subtask_type: 'group',
          immutable: false,
        })
        group.freezeWith({})
        groups.set(signatures, group)
      }
      const sent = await group.send({
        args: call.args,
        kwargs: {},
        options: callOptions(call),
        outbox: call.outbox,
      })
      return sent ?? { id: '', parent: null, children: [] }
    },
    async revoke(taskIds) {
      await context.app.control.broadcast('revoke', {
        arguments: { task_id: taskIds, terminate: false, signal: 'SIGTERM' },
      })
    },
  }
}

function callOptions(call: CallOf): Record<string, unknown> {
  return {
    root_id: call.rootId,
    parent_id: call.parentId,
    ...(call.chain === undefined ? {} : { chain: call.chain }),
    ...(call.priority === undefined ? {} : { priority: call.priority }),
    ...(call.groupId === undefined ? {} : { group_id: call.groupId }),
  }
}

/**
 * Publishes the copy of a retried message: same id, same linkage, `retries` + 1, to where the message came from
 * (celery/app/task.py 5.7, `signature_from_request`).
 */
export async function publishRetryCopy(context: AppContext, copy: RetryCopy): Promise<void> {
  const { request, options } = copy
  const { message, delivery, body } = request
  const { embed } = body
  const { exchange, routingKey } = delivery.info
  const custom = resendableHeaders(message.headers)
  const headers = { ...custom, ...options.headers }
  await publishTask(context, {
    task: message.task,
    args: copy.args,
    kwargs: copy.kwargs,
    options: {
      task_id: message.id,
      root_id: message.rootId ?? message.id,
      // A message without a parent gets itself as the parent of its retry, as it does from Python.
      parent_id: message.parentId ?? message.id,
      group_id: message.group,
      group_index: message.groupIndex,
      chord: embed.chord,
      chain: embed.chain,
      link: embed.callbacks,
      link_error: embed.errbacks,
      retries: copy.retries,
      expires: options.expires === undefined ? message.expires : options.expires,
      time_limit: options.timeLimit === undefined ? message.timeLimit : options.timeLimit,
      soft_time_limit: options.softTimeLimit === undefined ? message.softTimeLimit : options.softTimeLimit,
      ignore_result: request.ignoreResult,
      shadow: message.shadow,
      reply_to: message.replyTo,
      origin: message.origin,
      replaced_task_nesting: message.replacedTaskNesting,
      argsrepr: options.args === undefined ? message.argsrepr : null,
      kwargsrepr: options.kwargs === undefined ? message.kwargsrepr : null,
      add_to_parent: false,
      priority: options.priority ?? message.priority ?? delivery.info.priority ?? null,
      ...(options.queue !== undefined
        ? { queue: options.queue }
        : exchange === ''
          ? { queue: routingKey !== '' ? routingKey : delivery.queue }
          : { exchange, routing_key: routingKey }),
      ...(copy.notBefore === undefined ? {} : { eta: new Date(copy.notBefore) }),
      ...(Object.keys(headers).length === 0 ? {} : { headers }),
      ...stampOptions(message.stampedHeaders, message.stamps),
    },
  })
}

function stampOptions(
  names: readonly string[] | null,
  stamps: Readonly<Record<string, unknown>>,
): Record<string, unknown> {
  if (names === null || names.length === 0) return {}
  return { stamped_headers: names, ...Object.fromEntries(names.map((name) => [name, stamps[name] ?? null])) }
}

/** Asks the dispatcher once per change instead of once per task, and tells listeners of this process the same. */
export class DispatchedTaskEvents implements TaskEvents {
  enabled = false
  readonly #dispatcher: EventDispatcher | undefined
  #published = false
  #listener: ((type: string, fields: Readonly<Record<string, unknown>>) => void) | undefined

  constructor(dispatcher: EventDispatcher | undefined) {
    this.#dispatcher = dispatcher
    this.refresh()
  }

  /** After the dispatcher was told what to send. */
  refresh(): void {
    this.#published =
      this.#dispatcher !== undefined && this.#dispatcher.enabled && this.#dispatcher.wants('task')
    this.enabled = this.#published || this.#listener !== undefined
  }

  listen(listener: ((type: string, fields: Readonly<Record<string, unknown>>) => void) | undefined): void {
    this.#listener = listener
    this.refresh()
  }

  send(type: string, fields: Readonly<Record<string, unknown>>): void {
    if (this.#published) this.#dispatcher?.send(type, fields)
    this.#listener?.(type, fields)
  }
}

/** The app's logger, whichever it is by then, with the question whether a line is wanted at all. */
export function traceLog(context: AppContext): TraceLog {
  return {
    debug: (message, fields) => context.logger.debug(message, fields),
    info: (message, fields) => context.logger.info(message, fields),
    warn: (message, fields) => context.logger.warn(message, fields),
    error: (message, fields) => context.logger.error(message, fields),
    critical: (message, fields) => context.logger.critical(message, fields),
    child: (fields) => context.logger.child(fields),
    get infoEnabled() {
      return context.logger.isEnabled?.('info') ?? true
    },
    get debugEnabled() {
      return context.logger.isEnabled?.('debug') ?? true
    },
  }
}
