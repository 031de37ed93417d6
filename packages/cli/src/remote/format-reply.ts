/** What people see of an answer. The shapes are the wire's (worker-side: celery/worker/control.py 5.7); an unknown shape is shown as JSON. */
import { jsonText } from '../output/json-text.ts'
import { formatTable } from '../output/table.ts'
import type { Style } from '../output/style.ts'

type Cell = string | number

/** Lines of one node's answer, without indentation; empty for an answer that says nothing more than its head. */
export function formatReply(command: string, value: unknown, style: Style): string {
  const format = formats[command]
  try {
    return format?.(value, style) ?? anything(value)
  } catch {
    // A worker of another version answered in another shape.
    return anything(value)
  }
}

/** `OK`, or what the node complained about. */
export function headOf(value: unknown): { readonly ok: boolean; readonly text: string } {
  const error = member(value, 'error')
  return error === undefined ? { ok: true, text: 'OK' } : { ok: false, text: 'ERROR' }
}

const formats: Readonly<Record<string, (value: unknown, style: Style) => string | undefined>> = {
  active: requests,
  reserved: requests,
  scheduled: (value, style) =>
    list(value, (items) =>
      formatTable(
        ['eta', 'priority', 'id', 'task', 'arguments'],
        items.map((item) => {
          const request = member(item, 'request')
          return [cell(member(item, 'eta')), cell(member(item, 'priority')), ...requestCells(request)]
        }),
        style,
      ),
    ),
  registered: (value) => list(value, (items) => items.map((item) => `* ${cell(item)}`).join('\n')),
  revoked: (value) => list(value, (items) => items.map((item) => `* ${cell(item)}`).join('\n')),
  active_queues: (value, style) =>
    list(value, (items) =>
      formatTable(
        ['queue', 'exchange', 'type', 'routing key', 'durable'],
        items.map((item) => {
          const exchange = member(item, 'exchange')
          return [
            cell(member(item, 'name')),
            cell(member(exchange, 'name')),
            cell(member(exchange, 'type')),
            cell(member(item, 'routing_key')),
            member(item, 'durable') === true ? 'yes' : 'no',
          ]
        }),
        style,
      ),
    ),
  query_task: (value, style) => {
    const entries = Object.entries(value as Readonly<Record<string, readonly [unknown, unknown]>>)
    if (entries.length === 0) return '- none of them -'
    return formatTable(
      ['state', 'id', 'task', 'arguments'],
      entries.map(([, [state, info]]) => [cell(state), ...requestCells(info)]),
      style,
    )
  },
  stats: (value, style) => tree(value, style, 0),
  conf: (value, style) => tree(value, style, 0),
  clock: (value) => String(cell(member(value, 'clock'))),
  memsample: (value) => String(cell(value)),
}

function requests(value: unknown, style: Style): string {
  return list(value, (items) =>
    formatTable(
      ['since', 'id', 'task', 'arguments'],
      items.map((item) => [since(member(item, 'time_start')), ...requestCells(item)]),
      style,
    ),
  )
}

function requestCells(request: unknown): Cell[] {
  const args = shown(member(request, 'args'), '[', ']')
  const kwargs = shown(member(request, 'kwargs'), '{', '}')
  return [
    cell(member(request, 'id')),
    cell(member(request, 'name')),
    [args, kwargs].filter((text) => text !== '').join(', '),
  ]
}

/** Arguments without the brackets around all of them; with `safe` they come as text. */
function shown(value: unknown, open: string, close: string): string {
  const text = typeof value === 'string' ? value : jsonText(value ?? null)
  const inner =
    (text.startsWith(open) || text.startsWith('(')) && (text.endsWith(close) || text.endsWith(')'))
      ? text.slice(1, -1)
      : text
  return inner.length > 120 ? `${inner.slice(0, 117)}...` : inner
}

function since(value: unknown): Cell {
  return typeof value === 'number' ? new Date(value * 1000).toISOString().slice(11, 19) : '-'
}

/** An empty list is an answer too. */
function list(value: unknown, format: (items: readonly unknown[]) => string): string {
  if (!Array.isArray(value)) return anything(value)
  return value.length === 0 ? '- none -' : format(value)
}

/** `name  value`, one level of indentation per object. */
function tree(value: unknown, style: Style, depth: number): string {
  const entries = Object.entries(value as Readonly<Record<string, unknown>>)
  const width = Math.max(0, ...entries.map(([name]) => name.length))
  return entries
    .map(([name, inner]) => {
      const nested =
        typeof inner === 'object' && inner !== null && !Array.isArray(inner) && Object.keys(inner).length > 0
      const label = `${'  '.repeat(depth)}${style.paint('dim', nested ? name : name.padEnd(width))}`
      return nested ? `${label}\n${tree(inner, style, depth + 1)}` : `${label}  ${cell(inner)}`
    })
    .join('\n')
}

function anything(value: unknown): string {
  const said = member(value, 'ok') ?? member(value, 'error')
  if (typeof said === 'string') return said
  return value === null || value === undefined ? '' : typeof value === 'string' ? value : jsonText(value, 2)
}

function cell(value: unknown): Cell {
  if (typeof value === 'number') return value
  if (typeof value === 'string') return value
  return value === null || value === undefined ? '-' : jsonText(value)
}

function member(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null
    ? (value as Readonly<Record<string, unknown>>)[name]
    : undefined
}
