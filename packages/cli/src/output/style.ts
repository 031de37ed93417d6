import { type styleText as StyleText, styleText } from 'node:util'

export type Format = Parameters<typeof StyleText>[0]

/** Paints text where the stream is a terminal, or `FORCE_COLOR` is set, and nobody asked for plain text (`--no-color`, `NO_COLOR`). */
export interface Style {
  readonly coloured: boolean
  paint(format: Format, text: string): string
}

export function createStyle(
  stream: { readonly isTTY?: boolean },
  options: { readonly color?: boolean; readonly always?: boolean } = {},
): Style {
  const coloured = options.color !== false && (options.always === true || wanted(stream.isTTY === true))
  return {
    coloured,
    paint: (format, text) => (coloured ? styleText(format, text, { validateStream: false }) : text),
  }
}

/** As Node decides it: `NO_COLOR`, else `FORCE_COLOR` (`0` and `false` are none), else whether it is a terminal that has colours. */
function wanted(terminal: boolean): boolean {
  const { NO_COLOR: none = '', FORCE_COLOR: forced = '', TERM: term } = process.env
  if (none !== '') return false
  return forced === '' ? terminal && term !== 'dumb' : forced !== '0' && forced !== 'false'
}
