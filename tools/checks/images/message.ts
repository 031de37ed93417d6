/** Where a message is between its publish and its end (docs/architecture.md). */
import { box, note, path, svg } from './shapes.ts'

svg(
  'message.svg',
  900,
  360,
  'States of a message: published, ready in its queue, held by a worker, then settled; back to ready when a worker dies; parked after too many starts',
  [
    box({ x: 15, y: 60, w: 130, h: 70 }, 'card ts', ['published', 'broker confirmed it']),
    box({ x: 205, y: 60, w: 130, h: 70 }, 'mid', ['ready', 'in its queue']),
    '<rect class="page" x="405" y="20" width="310" height="190" rx="12" stroke="#c99a1d" stroke-width="2"/>',
    note(560, 43, 'held by a worker, lease renewed', 'middle', 'title'),
    box({ x: 420, y: 60, w: 120, h: 56 }, 'card', ['received', 'read, not expired']),
    box({ x: 580, y: 60, w: 120, h: 56 }, 'card', ['waiting', 'ETA, rate limit']),
    box({ x: 420, y: 142, w: 120, h: 56 }, 'card', ['reserved', 'waits for a slot']),
    box({ x: 580, y: 142, w: 120, h: 56 }, 'card', ['running', 'in a slot']),
    box({ x: 775, y: 100, w: 110, h: 70 }, 'card py', ['settled', 'result + ack', 'in one step']),
    box({ x: 205, y: 265, w: 130, h: 70 }, 'mid', ['parked', '&lt;queue&gt;.parked']),
    path('M146 95 H203'),
    path('M336 85 H403'),
    note(370, 78, 'claim'),
    path('M541 88 H578'),
    path('M640 117 V128 H480 V140'),
    path('M480 117 V140'),
    path('M541 170 H578'),
    path('M701 170 C735 170 740 140 773 140'),
    // Back to the queue.
    path('M403 170 C340 190 300 170 285 132', 'back'),
    note(395, 232, 'worker or connection dies: the lease runs out,'),
    note(395, 248, 'given to another worker as redelivered'),
    // Parked, and back.
    path('M560 211 C560 300 440 300 337 300'),
    note(560, 276, 'started more than maxDeliveries times,', 'start'),
    note(560, 292, 'or not readable', 'start'),
    path('M240 264 V132', 'back'),
    note(228, 200, 'ct parked retry', 'end'),
    path('M204 300 H120'),
    note(160, 292, 'drop'),
  ].join(''),
)
