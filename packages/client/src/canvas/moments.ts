import { ConfigurationError, PyDateTime } from '@ct/contracts'

/**
 * The value of `eta` or `expires` as a signature holds it: a date, which travels as Python's `datetime`, or seconds. Text is
 * read now, since Python's signatures hold none; its offset is kept.
 */
export function momentOption(key: string, value: unknown): Date | number {
  if (typeof value === 'number' && key === 'expires' && Number.isFinite(value)) return value
  if (value instanceof Date && !Number.isNaN(value.getTime())) return value
  const wanted =
    key === 'expires' ? 'seconds, a valid date or ISO 8601 text' : 'a valid date or ISO 8601 text'
  const wrong = (cause?: unknown): ConfigurationError =>
    new ConfigurationError(`The calling option "${key}" must be ${wanted}.`, {
      cause,
      details: { option: key },
    })
  if (typeof value !== 'string') throw wrong()
  try {
    return new PyDateTime(value)
  } catch (cause) {
    throw wrong(cause)
  }
}

/** An instant for a message: seconds count from now; the text of a date that has one is kept, offset and all. */
export function instant(
  moment: number | Date | string | null | undefined,
  now: number,
): number | Date | string | null {
  if (typeof moment === 'number') return now + moment * 1000
  if (moment instanceof PyDateTime) return moment.isoformat()
  return moment ?? null
}
