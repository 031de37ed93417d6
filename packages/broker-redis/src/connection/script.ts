/** A Lua script of ours. One per file in `scripts/`, with purpose, guarantee, KEYS and ARGV in its head comment. */
import { createHash } from 'node:crypto'

export interface Script {
  readonly name: string
  readonly source: string
  readonly sha: string
}

export function script(name: string, source: string): Script {
  // The name goes into the text, so that SLOWLOG and MONITOR tell which script it is when it is sent whole.
  const text = `-- ct ${name}\n${source.trim()}\n`
  return { name, source: text, sha: createHash('sha1').update(text).digest('hex') }
}
