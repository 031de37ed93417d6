/** Celery's schedules as a judge: one Python process that answers thousands of cases at a time. */
import { fileURLToPath } from 'node:url'
import { python, type PythonClient } from '@ct-tools/interop'
import { timeZone } from '../src/schedule/time-zone.ts'
import type { FiveFields } from './random-schedules.ts'

/** `pnpm nightly` (CT_NIGHTLY) multiplies the cases. */
export const isLong: boolean = process.env['CT_NIGHTLY'] !== undefined

/** Crontab fields; milliseconds and `relative` of an interval; event, latitude and longitude. */
export type Spec = FiveFields | readonly [everyMs: number, relative: boolean] | SolarSpec

export type SolarInstant = readonly [event: string, latitude: number, longitude: number, instant: number]
export type SolarSpec = readonly [event: string, latitude: number, longitude: number]

export interface Case {
  readonly kind: 'crontab' | 'interval' | 'solar'
  readonly spec: Spec
  readonly zone: string
  readonly last: number
  readonly now: number
  /** Seconds. */
  readonly deadline?: number | null
}

export interface Answer {
  readonly due: boolean
  readonly nextMs: number
  /** When it fell due, or will. */
  readonly scheduled: number
  /** Whether this time is the second of its name, at the last run, now and where the deadline reaches back to. */
  readonly second: { readonly last: boolean; readonly now: boolean; readonly since: boolean }
  /** False where Python's edition of the zone has another offset than Node's. */
  readonly sameZone: boolean
}

type RawAnswer = readonly [
  boolean,
  number,
  number,
  readonly [number, number, number],
  readonly [number, number, number],
]

export class CeleryJudge implements AsyncDisposable {
  readonly client: PythonClient

  private constructor(client: PythonClient) {
    this.client = client
  }

  static async open(): Promise<CeleryJudge> {
    const client = await python('5.7', {
      broker: 'memory://',
      path: [fileURLToPath(new URL('.', import.meta.url))],
      // The package tzdata, newer than what a system may have.
      env: { PYTHONTZPATH: '' },
    })
    await client.exec('import celery_schedules')
    return new CeleryJudge(client)
  }

  async answers(cases: readonly Case[]): Promise<readonly Answer[]> {
    const raw = await this.client.exec<RawAnswer[]>(
      'celery_schedules.answers(cases)',
      {
        cases: cases.map(({ kind, spec, zone, last, now, deadline }) => [
          kind,
          spec,
          zone,
          last,
          now,
          deadline ?? null,
        ]),
      },
      600_000,
    )
    return raw.map(([due, nextMs, scheduled, offsets, folds], index) => {
      const { zone = 'UTC', last = 0, now = 0 } = cases[index] ?? {}
      const sameZone = [last, now, scheduled].every(
        (ms, at) => timeZone(zone).offsetAt(ms) === (offsets[at] ?? NaN) * 1000,
      )
      const [ofLast, ofNow, ofSince] = folds
      const second = { last: ofLast === 1, now: ofNow === 1, since: ofSince === 1 }
      return { due, nextMs, scheduled, second, sameZone }
    })
  }

  /** What each crontab expands to: a list of values per field, or the name of the exception. */
  expand(crontabs: readonly FiveFields[]): Promise<readonly (string | readonly (readonly number[])[])[]> {
    return this.client.exec('[celery_schedules.expand(one) for one in crontabs]', { crontabs }, 60_000)
  }

  /** Degrees of the sun above the height of an event at an instant, as ephem sees it. */
  heights(cases: readonly SolarInstant[]): Promise<readonly number[]> {
    return this.client.exec('celery_schedules.heights(cases)', { cases }, 60_000)
  }

  async close(): Promise<void> {
    await this.client.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}
