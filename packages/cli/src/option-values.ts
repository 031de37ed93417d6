/** Reads the values of options; what does not fit is a usage error. */
import { RawJson, sliceJsonArray, sliceJsonObject } from '@ct/contracts'
import { InvalidArgumentError } from 'commander'

/** `a,b` or `a, b`; repeated options add up. */
export function list(text: string, before: readonly string[] | undefined): string[] {
  const names = text
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '')
  if (names.length === 0) throw new InvalidArgumentError('Give names, separated by commas.')
  return [...(before ?? []), ...names]
}

export function seconds(text: string): number {
  const value = Number(text)
  if (text.trim() === '' || !Number.isFinite(value) || value < 0)
    throw new InvalidArgumentError('Give a number of seconds.')
  return value
}

/** Seconds that a timer can count; Node takes longer ones for none. */
export function timerSeconds(text: string): number {
  const value = seconds(text)
  if (value > mostSeconds)
    throw new InvalidArgumentError(`Give at most ${mostSeconds} seconds: no timer counts further.`)
  return value
}

const mostSeconds = Math.floor((2 ** 31 - 1) / 1000)

export function wholeNumber(text: string): number {
  if (!/^\d+$/.test(text.trim())) throw new InvalidArgumentError('Give a whole number.')
  return Number(text)
}

/** Seconds from now, or a moment as ISO 8601. */
export function secondsOrMoment(text: string): number | string {
  return /^\d+(\.\d+)?$/.test(text) ? Number(text) : moment(text)
}

/** ISO 8601, kept as text: a worker of another language reads it as it was written. */
export function moment(text: string): string {
  if (!/^\d{4}-\d\d-\d\d/.test(text) || Number.isNaN(Date.parse(text))) {
    throw new InvalidArgumentError('Give a moment such as 2026-11-24T03:30:00+01:00.')
  }
  return text
}

/** Arguments as they were typed: what JavaScript cannot hold (`1.0`, integers beyond 2^53) is sent as it stands. */
export function jsonArray(text: string): readonly RawJson[] {
  return source(text, '[', 'Give a JSON array, such as \'[2, "three"]\'.', () =>
    sliceJsonArray(text).map(RawJson.trusted),
  )
}

/** As {@link jsonArray}, for keyword arguments. */
export function jsonObject(text: string): Readonly<Record<string, RawJson>> {
  return source(text, '{', 'Give a JSON object, such as \'{"x": 2}\'.', () =>
    Object.fromEntries(sliceJsonObject(text).map(([key, value]) => [key, RawJson.trusted(value)])),
  )
}

function source<T>(text: string, open: string, wanted: string, slice: () => T): T {
  try {
    RawJson.from(text)
  } catch (error) {
    throw new InvalidArgumentError(`${error instanceof Error ? error.message : String(error)}. ${wanted}`)
  }
  if (!text.trimStart().startsWith(open)) throw new InvalidArgumentError(wanted)
  return slice()
}

/** `8080`, `127.0.0.1:8080` or `[::1]:8080`. */
export function hostAndPort(text: string): { readonly host: string | undefined; readonly port: number } {
  const { host, port } = /^(?:\[?(?<host>[^\]]+?)\]?:)?(?<port>\d{1,5})$/.exec(text)?.groups ?? {}
  const number = Number(port)
  if (port === undefined || number > 65_535) {
    throw new InvalidArgumentError('Give a port, or host:port, such as 8080 or 127.0.0.1:8080.')
  }
  return { host, port: number }
}
