/**
 * Inside a package, rooms (the folders below `src`) import forward, in the order a message walks through them, and only what the
 * other room's `index.ts` lists. Files directly in `src` belong to no room. Types are
 * free: they are gone at run time.
 */
import { join } from 'node:path/posix'
import type { Finding } from './repo-rules.ts'

/** One rank per entry; rooms of one rank may import each other. */
export const roomOrder: Readonly<Record<string, readonly (readonly string[])[]>> = {
  contracts: [
    ['broker-kit', 'backend-kit', 'pool-kit', 'schedule-kit'],
    ['protocol'],
    ['serialization', 'compression'],
  ],
  client: [
    ['app', 'task'],
    ['canvas'],
    ['routing'],
    ['producer'],
    ['events', 'mailbox'],
    ['result'],
    ['signals'],
    ['connection'],
    ['diagnostics'],
  ],
  beat: [['service'], ['scheduler'], ['entry'], ['store'], ['schedule']],
  worker: [
    ['slot'],
    ['parts'],
    ['bootsteps'],
    ['consumer', 'control'],
    ['chords'],
    ['request'],
    ['pool'],
    ['trace'],
    ['events'],
  ],
}

const importStatement = /^(?:import|export)\s(?<clause>[^'";]*?)from\s+'(?<target>\.\.?\/[^']+)'/gm

/** `import type …`, `export type …`, and lists of which every member is a type. */
function isTypeOnly(clause: string): boolean {
  if (/^type\b/.test(clause)) return true
  const list = /^\{(?<members>[^}]*)\}/.exec(clause)?.groups?.['members']
  const members = list
    ?.split(',')
    .map((member) => member.trim())
    .filter((member) => member !== '')
  return members !== undefined && members.length > 0 && members.every((member) => member.startsWith('type '))
}

function roomOf(path: string): { owner: string; room: string | undefined } | undefined {
  const [group, owner, src, room, ...rest] = path.split('/')
  if (group !== 'packages' || owner === undefined || src !== 'src' || !(owner in roomOrder)) return undefined
  return { owner, room: rest.length > 0 ? room : undefined }
}

export function roomFindings(path: string, text: string): Finding[] {
  const here = roomOf(path)
  if (here?.room === undefined || !path.endsWith('.ts') || /\.(?:test|test-d)\.ts$/.test(path)) return []
  const order = roomOrder[here.owner] ?? []
  const rank = (room: string): number => order.findIndex((rooms) => rooms.includes(room))
  const finding = (index: number, message: string): Finding => ({
    rule: 'rooms',
    path,
    line: text.slice(0, index).split('\n').length,
    message,
    level: 'error',
  })
  if (rank(here.room) === -1) return [finding(0, `room ${here.room} has no place in tools/checks/rooms.ts`)]
  return [...text.matchAll(importStatement)].flatMap((match) => {
    const { clause = '', target = '' } = match.groups ?? {}
    const file = join(path, '..', target)
    const there = roomOf(file)
    if (there?.room === undefined || there.room === here.room || isTypeOnly(clause)) return []
    const back = rank(there.room) < rank(here.room ?? '')
    return [
      ...(back ? [finding(match.index, `${here.room} imports ${there.room}, which comes before it`)] : []),
      ...(file.endsWith(`src/${there.room}/index.ts`)
        ? []
        : [finding(match.index, `${target} is an inside of ${there.room}: use what its index.ts lists`)]),
    ]
  })
}
