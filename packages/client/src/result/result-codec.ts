import type {
  CompressorRegistry,
  ExtendedResultMeta,
  ResultBackendCapabilities,
  ResultColumns,
  ResultHandle,
  ResultMeta,
  ResultWrite,
  Serializer,
  SerializerRegistry,
  StoredResult,
} from '@ct/contracts'
import {
  compressResult,
  ConfigurationError,
  decompressResult,
  encodeException,
  encodeResultHandle,
  encodeResultMeta,
  exceptionStates,
  isoformat,
  isPlainObject,
  parseIso,
  readResultDocument,
  readyStates,
} from '@ct/contracts'
import type { ResultSettings } from './result-settings.ts'

/** What a task came to, before it is encoded. */
export interface TaskOutcome {
  readonly taskId: string
  readonly state: string
  /**
   * The return value (`RawJson` is copied as it is), what `updateState` gave, or in exception states the error thrown or an
   * exception document.
   */
  readonly result: unknown
  readonly traceback?: string | null
  /** What the task has sent; null or absent when there was no request. */
  readonly children?: readonly ResultHandle[] | null
  readonly groupId?: string | null
  readonly parentId?: string | null
  /** Stored only with `resultExtended`; give it whenever it is at hand. */
  readonly extended?: ExtendedResultMeta | undefined
  /** The caller's reply queue and correlation id, for RPC. */
  readonly replyTo?: string | null
  readonly correlationId?: string | null
}

export interface ResultCodecOptions {
  readonly capabilities: ResultBackendCapabilities
  readonly serializers: SerializerRegistry
  readonly compressors: CompressorRegistry
  readonly settings: ResultSettings
  readonly now: () => number
  /** Text of `date_done`; default: UTC as Python writes it. */
  readonly formatDate?: ((epochMs: number) => string) | undefined
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] }

const noBytes = new Uint8Array()

/** Outcomes to what a backend stores, and back (celery/backends/base.py 5.7). Throws `CT_CONFIGURATION`, `CT_SERIALIZER` when made. */
export class ResultCodec {
  readonly #options: ResultCodecOptions
  readonly #serializer: Serializer
  readonly #accept: ReadonlySet<string>
  readonly #compression: string | undefined
  readonly #expiresMs: number | undefined
  readonly #failureExpiresMs: number | undefined
  readonly #maxBytes: number
  readonly #canEncode = (value: unknown): boolean => {
    try {
      this.#serializer.encode(value)
      return true
    } catch {
      return false
    }
  }

  constructor(options: ResultCodecOptions) {
    this.#options = options
    const { settings, serializers, compressors, capabilities } = options
    this.#serializer = serializers.get(settings.resultSerializer ?? 'json')
    // What we write ourselves we also read, unless somebody named the types to read.
    this.#accept = serializers.accept(
      settings.resultAcceptContent ?? [...(settings.acceptContent ?? []), this.#serializer.contentType],
    )
    const compression = settings.resultCompression ?? undefined
    if (compression !== undefined && !compressors.has(compression)) {
      throw new ConfigurationError(
        `resultCompression is "${compression}", which is not registered. Registered: ${compressors.names().join(', ')}.`,
      )
    }
    this.#compression = capabilities.compression ? compression : undefined
    this.#expiresMs = lifeMs(settings.resultExpires === undefined ? 86_400 : settings.resultExpires)
    this.#failureExpiresMs =
      settings.resultFailureExpires == null || !capabilities.failureExpires
        ? this.#expiresMs
        : lifeMs(settings.resultFailureExpires)
    this.#maxBytes = settings.maxDecompressedBytes ?? 64 * 1024 * 1024
  }

  /** Milliseconds a result in that state is kept; undefined: for good. */
  expiresInMs(state: string): number | undefined {
    return state === 'FAILURE' ? this.#failureExpiresMs : this.#expiresMs
  }

  /** Errors: `CT_ENCODE`. */
  encode(outcome: TaskOutcome): ResultWrite {
    const { taskId, state } = outcome
    const ready = readyStates.has(state)
    const result = exceptionStates.has(state) ? this.#exceptionFrom(outcome.result) : outcome.result
    const now = ready ? this.#options.now() : 0
    // Runs for every task: no copies.
    const meta: Mutable<ResultMeta> = {
      taskId,
      status: state,
      result: result === undefined ? null : result,
      traceback: outcome.traceback ?? null,
      children: outcome.children ?? null,
      dateDone: ready ? (this.#options.formatDate ?? isoformat)(now) : null,
    }
    if (outcome.groupId != null) meta.groupId = outcome.groupId
    if (outcome.parentId != null) meta.parentId = outcome.parentId
    if (this.#options.settings.resultExtended === true && outcome.extended !== undefined)
      meta.extended = outcome.extended
    const columns = this.#options.capabilities.format === 'columns'
    const write: Mutable<ResultWrite> = {
      taskId,
      state,
      ready,
      document: columns ? noBytes : this.pack(encodeResultMeta(meta, this.#serializer)),
      expiresInMs: this.expiresInMs(state),
    }
    if (columns) write.columns = this.#columns(meta, ready ? now : null)
    if (outcome.replyTo != null) write.replyTo = outcome.replyTo
    if (outcome.correlationId != null) write.correlationId = outcome.correlationId
    return write
  }

  /** Errors: `CT_DECODE`, `CT_CONTENT_DISALLOWED`. */
  decode(stored: StoredResult): ResultMeta {
    if (stored.columns !== undefined) return this.#fromColumns(stored.taskId, stored.columns)
    const meta = readResultDocument(this.decodeValue(stored.document ?? noBytes), stored.taskId)
    // Whose it is the place tells where it lies: who waits there would otherwise wait for ever.
    return stored.taskId === '' || meta.taskId === stored.taskId ? meta : { ...meta, taskId: stored.taskId }
  }

  /** Any value as this store keeps it: group documents, chord parts. Compressed when results are. */
  encodeValue(value: unknown): Uint8Array {
    return this.pack(this.#serializer.encode(value))
  }

  /** Undoes {@link encodeValue}; goes by the compression marker, not by the setting. */
  decodeValue(bytes: Uint8Array): unknown {
    return this.#load(decompressResult(bytes, this.#options.compressors, this.#maxBytes))
  }

  /** An error as stored: the document of an exception; such a document is left as it is. */
  exceptionDocument(error: unknown): unknown {
    return this.#exceptionFrom(error)
  }

  /** Adds compression and its marker where `resultCompression` says so. */
  pack(document: Uint8Array): Uint8Array {
    return this.#compression === undefined
      ? document
      : compressResult(document, this.#compression, this.#options.compressors)
  }

  #exceptionFrom(error: unknown): unknown {
    if (error === null || error === undefined) return null
    if (isPlainObject(error) && typeof error['exc_type'] === 'string') return error
    return encodeException(error, this.#canEncode)
  }

  #load(bytes: Uint8Array): unknown {
    const { serializers } = this.#options
    return serializers.decode(
      bytes,
      this.#serializer.contentType,
      this.#serializer.contentEncoding,
      this.#accept,
    )
  }

  #columns(meta: ResultMeta, dateDone: number | null): ResultColumns {
    const encode = (value: unknown): Uint8Array => this.#serializer.encode(value)
    const { extended } = meta
    return {
      status: meta.status,
      result: encode(meta.result),
      traceback: meta.traceback,
      children: meta.children === null ? null : encode(meta.children.map(encodeResultHandle)),
      dateDone,
      ...(extended === undefined
        ? {}
        : {
            name: extended.name,
            args: encode(extended.args),
            kwargs: encode(extended.kwargs),
            worker: extended.worker,
            retries: extended.retries,
            queue: extended.queue,
            stamps:
              extended.stamps === undefined
                ? null
                : encode({ stamped_headers: extended.stampedHeaders ?? [], stamps: extended.stamps }),
          }),
    }
  }

  #fromColumns(taskId: string, columns: ResultColumns): ResultMeta {
    const decode = (bytes: Uint8Array | null | undefined): unknown =>
      bytes == null || bytes.length === 0 ? null : this.#load(bytes)
    const document: Record<string, unknown> = {
      status: columns.status,
      result: decode(columns.result),
      traceback: columns.traceback,
      children: decode(columns.children),
      date_done: columns.dateDone === null ? null : (this.#options.formatDate ?? isoformat)(columns.dateDone),
      task_id: taskId,
    }
    if (columns.name !== undefined) {
      document['name'] = columns.name
      document['args'] = decode(columns.args)
      document['kwargs'] = decode(columns.kwargs)
      document['worker'] = columns.worker ?? null
      document['retries'] = columns.retries ?? null
      document['queue'] = columns.queue ?? null
      const stamps = decode(columns.stamps)
      if (isPlainObject(stamps) && isPlainObject(stamps['stamps'])) {
        document['stamped_headers'] = stamps['stamped_headers']
        for (const [name, value] of Object.entries(stamps['stamps'])) {
          if (!Object.hasOwn(document, name)) {
            Object.defineProperty(document, name, {
              value,
              enumerable: true,
              writable: true,
              configurable: true,
            })
          }
        }
      }
    }
    return readResultDocument(document, taskId)
  }
}

/** Seconds to milliseconds; 0 and null mean for good. */
function lifeMs(seconds: number | null): number | undefined {
  return seconds === null || seconds === 0 ? undefined : Math.max(1, Math.round(seconds * 1000))
}

/** `date_done` of a document as an instant, null when there is none or it cannot be read. */
export function dateDoneOf(meta: ResultMeta): Date | null {
  if (meta.dateDone === null) return null
  try {
    return new Date(parseIso(meta.dateDone).epochMs)
  } catch {
    return null
  }
}
