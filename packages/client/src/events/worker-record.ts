/** What is known of one worker from its events (celery/events/state.py 5.7, Worker). */

/** Percentage of `freq` after which a worker that was not heard of counts as gone. */
export const heartbeatExpireWindow = 200
/** Heartbeats that are remembered. */
const heartbeatsKept = 4

export class WorkerRecord {
  readonly hostname: string
  pid: number | null = null
  /** Seconds between its heartbeats. */
  freq = 60
  /** Epoch seconds at which it was last heard of, oldest first; at most four. Empty: it has gone. */
  heartbeats: number[] = []
  /** Logical clock of its last event. */
  clock = 0
  /** Tasks running. */
  active: number | null = null
  /** Tasks started since it runs. */
  processed: number | null = null
  loadavg: readonly number[] | null = null
  /** `ct`, `py-celery`, … */
  swIdent: string | null = null
  swVer: string | null = null
  swSys: string | null = null
  /** All fields of its worker events, by the wire's names; later ones win. */
  fields: Readonly<Record<string, unknown>> = {}
  readonly #now: () => number

  /** `now`: milliseconds since 1970. */
  constructor(hostname: string, now: () => number = Date.now) {
    this.hostname = hostname
    this.#now = now
  }

  get id(): string {
    return `${this.hostname}.${this.pid ?? 'None'}`
  }

  /** Epoch seconds after which it counts as gone; undefined when it has said so itself. */
  get heartbeatExpires(): number | undefined {
    const last = this.heartbeats.at(-1)
    return last === undefined ? undefined : last + this.freq * (heartbeatExpireWindow / 100)
  }

  get alive(): boolean {
    const expires = this.heartbeatExpires
    return expires !== undefined && this.#now() / 1000 < expires
  }

  get statusString(): 'ONLINE' | 'OFFLINE' {
    return this.alive ? 'ONLINE' : 'OFFLINE'
  }

  /** Takes the fields of a worker event over; a field of another kind than it should be is left alone. */
  update(fields: Readonly<Record<string, unknown>>): void {
    this.fields = { ...this.fields, ...fields }
    const { pid, freq, clock, active, processed, loadavg, sw_ident, sw_ver, sw_sys } = fields
    if (isNumber(pid)) this.pid = pid
    if (isNumber(freq) && freq > 0) this.freq = freq
    if (isNumber(clock)) this.clock = clock
    if (isNumber(active)) this.active = active
    if (isNumber(processed)) this.processed = processed
    if (Array.isArray(loadavg) && loadavg.every(isNumber)) this.loadavg = loadavg
    if (typeof sw_ident === 'string') this.swIdent = sw_ident
    if (typeof sw_ver === 'string') this.swVer = sw_ver
    if (typeof sw_sys === 'string') this.swSys = sw_sys
  }

  /** It was heard of at that instant, in epoch seconds of this machine. */
  heard(at: number): void {
    if (this.heartbeats.length >= heartbeatsKept) this.heartbeats.shift()
    let index = this.heartbeats.length
    while (index > 0 && this.heartbeats[index - 1]! > at) index--
    this.heartbeats.splice(index, 0, at)
  }

  /** It has said goodbye. */
  gone(): void {
    this.heartbeats = []
  }

  toJSON(): Readonly<Record<string, unknown>> {
    return { ...this.fields, hostname: this.hostname, heartbeats: [...this.heartbeats] }
  }
}

function isNumber(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value)
}
