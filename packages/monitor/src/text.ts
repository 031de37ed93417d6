/** Text of a certain width, and the colours of states. */

/** Cut or filled to `width`; control characters, which a task may have in its arguments, are shown as dots. */
export function fit(text: string, width: number): string {
  const plain = text.replaceAll(/\p{Cc}/gu, '·')
  return plain.length > width ? `${plain.slice(0, Math.max(0, width - 1))}…` : plain.padEnd(width)
}

/** Hours, minutes and seconds here of an instant in epoch seconds. */
export function clock(epochSeconds: number | null): string {
  if (epochSeconds === null) return ''
  const date = new Date(epochSeconds * 1000)
  return Number.isNaN(date.getTime()) ? '' : date.toTimeString().slice(0, 8)
}

const colours: Readonly<Record<string, string>> = {
  SUCCESS: 'green',
  FAILURE: 'red',
  REVOKED: 'magenta',
  STARTED: 'cyan',
  RETRY: 'yellow',
  REJECTED: 'yellow',
}

export function colourOf(state: string): string {
  return colours[state] ?? 'white'
}
