/** A schedule in a file, for one beat: what `celery beat` has by default (celery/beat.py 5.7, `PersistentScheduler`; BEAT-20..22). */
import { resolve } from 'node:path'
import {
  AbortedError,
  ClosedError,
  defineScheduleStore,
  LeaseLostError,
  UnsupportedError,
  type CallOptions,
  type ScheduleStore,
  type ScheduleStoreConnection,
} from '@ct/contracts'
import { ScheduleFile } from './schedule-file.ts'

export interface FileScheduleStoreOptions {
  /** Default `ctbeat-schedule` in the working folder. Its folder is made where it is missing. */
  readonly path?: string
}

/**
 * Keeps a schedule in a file: one beat at a time, each save on the disk before it resolves. A line that a crash has torn is told and left out, a
 * file that cannot be read is told and moved aside. The file is written by the first process that saves; another one that wants to is refused with
 * `CT_BACKEND` while that one lives.
 */
export function fileScheduleStore(options: FileScheduleStoreOptions = {}): ScheduleStore {
  const path = resolve(options.path ?? 'ctbeat-schedule')
  const connections = new Set<ScheduleStoreConnection>()
  let closed = false
  const isClosed = (): boolean => closed
  return defineScheduleStore({
    name: 'file',
    packageName: '@ct/beat',
    capabilities: { durable: true, election: false, changes: false },
    describe: () => ({
      transport: 'file',
      hostname: undefined,
      port: undefined,
      userid: undefined,
      virtualHost: undefined,
      ssl: false,
      url: `file://${path}`,
    }),
    firesWith: () => false,
    async connect({ signal, onNotice }) {
      if (signal?.aborted === true) throw aborted(signal)
      if (closed) throw closedError()
      const { file, release, forget } = await shared(path, (message) =>
        onNotice({ kind: 'warning', message }),
      )
      if (isClosed() || signal?.aborted) {
        await release()
        throw isClosed() ? closedError() : aborted(signal!)
      }
      const onClosed = async (): Promise<void> => {
        connections.delete(connection)
        await release()
      }
      const connection = connectionTo(file, { onClosed, onLost: forget })
      connections.add(connection)
      return connection
    },
    async close() {
      closed = true
      await Promise.all([...connections].map((connection) => connection.close()))
    },
  })
}

/** Who opens a file a second time in this process gets the same one: there is one state, and one who writes. */
const files = new Map<string, { readonly file: Promise<ScheduleFile>; users: number }>()

async function shared(
  path: string,
  warn: (message: string) => void,
): Promise<{
  readonly file: ScheduleFile
  readonly release: () => Promise<void>
  /** Another process has the file: who opens it from now on reads it anew. */
  readonly forget: () => void
}> {
  const entry = files.get(path) ?? { file: ScheduleFile.open(path, warn), users: 0 }
  files.set(path, entry)
  entry.users++
  const forget = (): void => {
    if (files.get(path) === entry) files.delete(path)
  }
  const leave = (): boolean => {
    if (--entry.users > 0) return false
    forget()
    return true
  }
  try {
    const file = await entry.file
    return {
      file,
      forget,
      release: async () => {
        if (leave()) await file.close()
      },
    }
  } catch (error) {
    leave()
    throw error
  }
}

function connectionTo(
  file: ScheduleFile,
  { onClosed, onLost }: { readonly onClosed: () => Promise<void>; readonly onLost: () => void },
): ScheduleStoreConnection {
  let closing: Promise<void> | undefined
  const check = (options: CallOptions | undefined): void => {
    if (options?.signal?.aborted === true) throw aborted(options.signal)
    if (closing !== undefined) throw closedError()
  }
  const close = (): Promise<void> => (closing ??= onClosed())
  return {
    async load(options) {
      check(options)
      return file.load(options?.names)
    },
    async save({ put, remove, runs }, options) {
      check(options)
      const change = {
        ...(put === undefined ? {} : { put }),
        ...(remove === undefined ? {} : { remove }),
        ...(runs === undefined ? {} : { runs }),
      }
      try {
        return await file.save(change)
      } catch (error) {
        if (error instanceof LeaseLostError) onLost()
        throw error
      }
    },
    changes: async (since, options) => {
      check(options)
      return file.changes(since)
    },
    lead: () =>
      Promise.reject(new UnsupportedError('A schedule file is for one beat: there is nobody to elect.')),
    resign: () => Promise.resolve(),
    fire: () =>
      Promise.reject(
        new UnsupportedError('A file and a broker have no step in common; publish first, then save.'),
      ),
    close,
    [Symbol.asyncDispose]: close,
  }
}

function aborted(signal: AbortSignal): AbortedError {
  return new AbortedError('Opening the schedule file was given up: its signal was aborted.', {
    cause: signal.reason,
  })
}

function closedError(): ClosedError {
  return new ClosedError('The schedule file is closed; make a new store with fileScheduleStore().')
}
