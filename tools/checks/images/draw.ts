/** Draws the diagrams of README and docs: `node tools/checks/images/draw.ts`. */
import './beat-leader.ts'
import './canvas.ts'
import './boot-order.ts'
import './message.ts'
import './pools.ts'
import './rabbitmq-topology.ts'
import './redis-keys.ts'
import { arrow, box, svg } from './shapes.ts'

/** One fleet: both languages on one broker and one result store. */
svg(
  'fleet.svg',
  860,
  300,
  'Python and Node clients send tasks to one broker; Python and Node workers take them and store results both can read',
  [
    '<text class="small" x="110" y="28" text-anchor="middle">send</text><text class="small" x="430" y="28" text-anchor="middle">one wire format</text><text class="small" x="750" y="28" text-anchor="middle">work</text>',
    box({ x: 20, y: 50, w: 180, h: 80 }, 'card ts', ['Node service', '@ct/client', 'add.delay(2, 2)']),
    box({ x: 20, y: 170, w: 180, h: 80 }, 'card py', [
      'Django, Flask, …',
      'Celery 5.4 – 5.7',
      'add.delay(2, 2)',
    ]),
    box({ x: 330, y: 50, w: 200, h: 80 }, 'mid', ['Broker', 'Redis', 'queues, priorities, events']),
    box({ x: 330, y: 170, w: 200, h: 80 }, 'mid', ['Result store', 'Redis', 'celery-task-meta-…']),
    box({ x: 660, y: 50, w: 180, h: 80 }, 'card ts', [
      'ct worker',
      'ct worker -A tasks.ts',
      'TypeScript tasks',
    ]),
    box({ x: 660, y: 170, w: 180, h: 80 }, 'card py', [
      'Celery worker',
      'celery -A proj worker',
      'Python tasks',
    ]),
    arrow(202, 80, 328, 80),
    arrow(202, 200, 328, 105),
    arrow(532, 80, 658, 80),
    arrow(532, 105, 658, 195),
    arrow(658, 110, 532, 200, 'back'),
    arrow(658, 225, 532, 225, 'back'),
    arrow(328, 200, 202, 110, 'back'),
    arrow(328, 228, 202, 228, 'back'),
    '<text class="small" x="430" y="282" text-anchor="middle">solid: task messages · dashed: results</text>',
  ].join(''),
)

/** The rooms a message walks through (architecture §3). */
const rooms: readonly (readonly [string, string])[] = [
  ['app · task', 'a call, as a signature'],
  ['canvas', 'chain, group, chord'],
  ['routing', 'exchange, key, queue'],
  ['protocol', 'headers and body'],
  ['serialization', 'values to bytes'],
  ['producer', 'published and confirmed'],
  ['broker adapter', 'bytes over the wire'],
  ['consumer', 'accepted, held, parked'],
  ['request', 'settled exactly once'],
  ['pool', 'bind arguments and run'],
  ['trace', 'success, retry, failure'],
  ['backend', 'outcome is stored'],
  ['result', 'value or typed error'],
]
const owner = [
  'client',
  'client',
  'client',
  'contracts',
  'contracts',
  'client',
  'adapter',
  'worker',
  'worker',
  'worker',
  'worker',
  'adapter',
  'client',
]
const columns = 5
svg(
  'rooms.svg',
  900,
  330,
  'The thirteen rooms a message walks through, from the call to the result',
  rooms
    .map(([name, does], index) => {
      const row = Math.floor(index / columns)
      // Every other row runs backwards, so that neighbours in time are neighbours on the page.
      const column = row % 2 === 0 ? index % columns : columns - 1 - (index % columns)
      const x = 15 + column * 177
      const y = 20 + row * 105
      const kind = owner[index] === 'client' ? 'card ts' : owner[index] === 'worker' ? 'card py' : 'mid'
      const here = box({ x, y, w: 160, h: 72 }, kind, [
        `${index + 1}  ${name}`,
        does,
        `@ct/${owner[index]}`.replace('@ct/adapter', '@ct/broker-…'),
      ])
      if (index === rooms.length - 1) return here
      const turns = (index + 1) % columns === 0
      const link = turns
        ? `<path class="arrow" d="M${x + 80} ${y + 73} V${y + 103}"/>`
        : row % 2 === 0
          ? `<path class="arrow" d="M${x + 161} ${y + 36} H${x + 176}"/>`
          : `<path class="arrow" d="M${x - 1} ${y + 36} H${x - 16}"/>`
      return here + link
    })
    .join('') +
    box({ x: 15 + 3 * 177, y: 230, w: 160, h: 72 }, 'card ts', [
      'beside the way',
      'signals · connection',
      'events · mailbox',
    ]) +
    box({ x: 15 + 4 * 177, y: 230, w: 160, h: 72 }, 'card py', [
      'beside the way',
      'control · chords',
      'bootsteps · slot · parts',
    ]),
)
