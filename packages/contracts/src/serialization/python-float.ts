/**
 * A JavaScript number as Python’s `float.__repr__` writes it: the shortest digits that read back the same (both languages agree on
 * these), an exponent from 1e16 up and below 1e-4, at least two exponent digits, and always a `.0` or an exponent.
 */
export function pythonFloatRepr(value: number): string {
  if (value !== value) return 'nan'
  if (value === Infinity) return 'inf'
  if (value === -Infinity) return '-inf'
  const size = Math.abs(value)
  if (size >= 1e16 || (size < 1e-4 && size > 0)) return padExponent(value.toExponential())
  if (Number.isInteger(value)) return (Object.is(value, -0) ? '-0' : String(value)) + '.0'
  return String(value)
}

function padExponent(text: string): string {
  const sign = text.indexOf('e') + 1
  return text.length - sign > 2 ? text : text.slice(0, sign + 1) + '0' + text.slice(sign + 1)
}

/**
 * The JSON text of a number: whole numbers that JavaScript holds exactly as integers, everything else as Python writes a float, so that
 * 1e20 stays a float there. `-0` is a float in Python too, which has no negative zero integer.
 */
export function jsonNumber(value: number): string {
  if (Number.isSafeInteger(value) && !Object.is(value, -0)) return String(value)
  if (Number.isFinite(value)) return pythonFloatRepr(value)
  return value !== value ? 'NaN' : value > 0 ? 'Infinity' : '-Infinity'
}
