/** Results as the suites write and read them, in the format that a backend asks for. */
import type { ResultBackendCapabilities, ResultWrite, StoredResult } from '@ct/contracts'

const readyStates = new Set(['SUCCESS', 'FAILURE', 'REVOKED'])
const encoder = new TextEncoder()
const decoder = new TextDecoder()

/** A write whose value is this text. */
export function resultWrite(
  format: ResultBackendCapabilities['format'],
  taskId: string,
  state: string,
  value: string,
): ResultWrite {
  const result = encoder.encode(value)
  const ready = readyStates.has(state)
  const common = { taskId, state, ready, expiresInMs: 60_000 }
  if (format === 'document') {
    const text = JSON.stringify({ status: state, result: value, task_id: taskId })
    return { ...common, document: encoder.encode(text) }
  }
  const dateDone = ready ? Date.now() : null
  const columns = { status: state, result, traceback: null, children: null, dateDone }
  return { ...common, document: new Uint8Array(0), columns }
}

/** `STATE value` of what was stored by {@link resultWrite}; undefined where nothing is. */
export function readResult(stored: StoredResult | undefined): string | undefined {
  if (stored === undefined) return undefined
  if (stored.columns !== undefined) return `${stored.columns.status} ${decoder.decode(stored.columns.result)}`
  const { status, result } = JSON.parse(decoder.decode(stored.document)) as { status: string; result: string }
  return `${status} ${result}`
}
