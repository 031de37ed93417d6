import { createRequire } from 'node:module'

/** Version of this package. The path holds for `src` and for `dist`. */
export const version: string = (
  createRequire(import.meta.url)('../package.json') as { readonly version: string }
).version
