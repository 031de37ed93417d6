/** What everything that connects has in common. */
import type { NoticeListener } from './notice.ts'

export interface ConnectOptions {
  /** Gives up connecting; the promise then rejects with `CT_ABORTED`. */
  readonly signal?: AbortSignal
  /** Called synchronously, never after `close()` has resolved. Must not throw. */
  readonly onNotice: NoticeListener
}

export interface Closable {
  /** Idempotent, legal at any moment (while connecting too), never rejects; resolves when no socket or timer is left. */
  close(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

/** A server as people may see it: no password in it. */
export interface ServerDescription {
  /** `redis`, `amqp`, `memory`, … : Celery's transport or backend name. */
  readonly transport: string
  readonly hostname: string | undefined
  readonly port: number | undefined
  readonly userid: string | undefined
  readonly virtualHost: string | undefined
  readonly ssl: boolean
  /** The URL with its password masked as `**`, as Celery prints it. */
  readonly url: string
  /** Where several servers stand in for each other: all of their URLs, masked too. */
  readonly alternates?: readonly string[]
}
