/** One line per event, as `celery events --dump` writes them (celery/events/dumper.py 5.7). */
import { pyRepr } from '@ct/contracts'

const humanTypes: Readonly<Record<string, string>> = {
  'worker-offline': 'shutdown',
  'worker-online': 'started',
  'worker-heartbeat': 'heartbeat',
}

/** Names of tasks that are remembered, so that later events can be told by name. */
const most = 4095

export class EventLines {
  readonly #tasks = new Map<string, string>()

  /** `host [time] what: name(id) args=… kwargs=… field=value, …` */
  line(event: Readonly<Record<string, unknown>>): string {
    const { type, hostname, timestamp, ...rest } = event
    const kind = String(type).toLowerCase()
    const head = `${String(hostname)} [${time(timestamp)}] ${humanTypes[kind] ?? kind.replaceAll('-', ' ')}`
    if (!kind.startsWith('task-')) {
      const fields = list(rest)
      return `${head}${fields === '' ? '' : ':'} ${fields}`
    }
    const { uuid, ...more } = rest
    const [task, fields] = this.#task(kind, String(uuid), more)
    const text = list(fields)
    return `${head}${text === '' ? '' : ':'} ${task} ${text}`
  }

  #task(
    kind: string,
    uuid: string,
    fields: Readonly<Record<string, unknown>>,
  ): [task: string, fields: Readonly<Record<string, unknown>>] {
    if (kind !== 'task-received' && kind !== 'task-sent') return [this.#tasks.get(uuid) ?? '', fields]
    const { name, args, kwargs, ...rest } = fields
    const task = `${String(name)}(${uuid}) args=${String(args)} kwargs=${String(kwargs)}`
    this.#tasks.delete(uuid)
    this.#tasks.set(uuid, task)
    if (this.#tasks.size > most) {
      const [oldest] = this.#tasks.keys()
      this.#tasks.delete(oldest!)
    }
    return [task, rest]
  }
}

/** As Python writes an instant in UTC: `2026-11-28 17:04:05.250000+00:00`, without the fraction where there is none. */
function time(timestamp: unknown): string {
  if (typeof timestamp !== 'number' || Number.isNaN(new Date(timestamp * 1000).getTime()))
    return String(timestamp)
  const micros = Math.round(timestamp * 1e6)
  const whole = new Date(Math.floor(micros / 1e6) * 1000).toISOString().slice(0, 19).replace('T', ' ')
  const rest = ((micros % 1e6) + 1e6) % 1e6
  return `${whole}${rest === 0 ? '' : `.${String(rest).padStart(6, '0')}`}+00:00`
}

function list(fields: Readonly<Record<string, unknown>>): string {
  return Object.entries(fields)
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => `${name}=${typeof value === 'string' ? value : pyRepr(value)}`)
    .join(', ')
}
