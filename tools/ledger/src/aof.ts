/**
 * Forensics: what the append-only file of Redis says of one message. With `appendfsync always` it holds every write in order, those of a
 * script as one transaction; lists are played back, so that a pop has a name.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/** Every write that a message with this text in it was part of, one line each. */
export function historyOf(redisFolder: string, needle: string): string[] {
  const lines: string[] = []
  const lists = new Map<string, string[]>()
  const folder = join(redisFolder, 'appendonlydir')
  let number = 0
  let transaction = false
  for (const file of readdirSync(folder)
    .filter((name) => name.endsWith('.aof'))
    .sort()) {
    for (const command of commandsIn(readFileSync(join(folder, file)))) {
      number += 1
      const [name = '', key = '', ...rest] = command
      const verb = name.toUpperCase()
      if (verb === 'MULTI' || verb === 'EXEC') transaction = verb === 'MULTI'
      const touched = apply(lists, verb, key, rest)
      const concerns =
        touched.some((item) => item.includes(needle)) || rest.some((word) => word.includes(needle))
      if (concerns)
        lines.push(
          `${number}${transaction ? ' (in a script)' : ''} ${verb} ${JSON.stringify(key)} ${rest[0]?.slice(0, 40) ?? ''}`,
        )
    }
  }
  return lines
}

function apply(lists: Map<string, string[]>, verb: string, key: string, rest: readonly string[]): string[] {
  const list = lists.get(key) ?? []
  switch (verb) {
    case 'LPUSH':
      list.unshift(...[...rest].reverse())
      lists.set(key, list)
      return [...rest]
    case 'RPUSH':
      list.push(...rest)
      lists.set(key, list)
      return [...rest]
    case 'RPOP':
      return list.splice(Math.max(0, list.length - Number(rest[0] ?? 1)))
    case 'LPOP':
      return list.splice(0, Number(rest[0] ?? 1))
    case 'LREM': {
      const at = list.lastIndexOf(rest[1] ?? '')
      return at < 0 ? [] : list.splice(at, 1)
    }
    case 'DEL':
    case 'UNLINK':
      lists.delete(key)
      return list
    default:
      return []
  }
}

function* commandsIn(file: Buffer): Generator<string[]> {
  let at = 0
  const line = (): string => {
    const end = file.indexOf('\r\n', at)
    const text = file.toString('latin1', at, end)
    at = end + 2
    return text
  }
  while (at < file.length) {
    if (file[at] === 35) {
      line()
      continue
    }
    // A base file in RDB format: nothing was in it when the campaign began.
    if (file[at] !== 42) return
    const count = Number(line().slice(1))
    const words: string[] = []
    for (let i = 0; i < count; i += 1) {
      const length = Number(line().slice(1))
      words.push(file.toString('utf8', at, at + length))
      at += length + 2
    }
    if (at > file.length) return
    yield words
  }
}
