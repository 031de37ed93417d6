import { type styleText as StyleText, styleText } from 'node:util'

export type Format = Parameters<typeof StyleText>[0]

/** Paints text where the stream is a terminal and nobody asked for plain text (`--no-color`, `NO_COLOR`). */
export interface Style {
  readonly coloured: boolean
  paint(format: Format, text: string): string
}

export function createStyle(
  stream: { readonly isTTY?: boolean },
  options: { readonly color?: boolean; readonly always?: boolean } = {},
): Style {
  const coloured =
    options.color !== false &&
    (options.always === true ||
      ((process.env['NO_COLOR'] ?? '') === '' &&
        (stream.isTTY === true || (process.env['FORCE_COLOR'] ?? '') !== '')))
  return {
    coloured,
    paint: (format, text) => (coloured ? styleText(format, text, { validateStream: false }) : text),
  }
}
