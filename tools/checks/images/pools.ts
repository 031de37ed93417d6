/** Where tasks run: the three kinds of pools beside each other. */
import { arrow, box, note, svg } from './shapes.ts'

const worker = (x: number, lines: readonly string[]): string =>
  box({ x, y: 44, w: 240, h: 74 }, 'card ts', ['worker process', ...lines])

svg(
  'pools.svg',
  880,
  330,
  'The async pool runs many tasks on the event loop of the worker; threads and processes run one task each in slots of their own, which can be ended',
  [
    note(150, 28, '-P async (default), solo'),
    note(440, 28, '-P threads'),
    note(730, 28, '-P processes, prefork'),
    worker(30, ['consumer, leases, heartbeats', 'and the tasks, on one event loop']),
    worker(320, ['consumer, leases, heartbeats,', 'results, acks, callbacks']),
    worker(610, ['consumer, leases, heartbeats,', 'results, acks, callbacks']),
    ...[0, 1, 2, 3].map((index) =>
      box({ x: 30 + index * 62, y: 170, w: 54, h: 50 }, 'mid', [index === 3 ? '… 50' : 'task']),
    ),
    note(150, 250, 'tasks that wait: HTTP, databases'),
    note(150, 270, 'a limit fires task.signal; nothing can end a task'),
    box({ x: 320, y: 170, w: 112, h: 50 }, 'mid', ['thread', 'one task']),
    box({ x: 448, y: 170, w: 112, h: 50 }, 'mid', ['thread', 'one task']),
    note(440, 250, 'tasks that compute, in one process'),
    note(440, 270, 'a hard limit or revoke ends the thread'),
    box({ x: 610, y: 170, w: 112, h: 50 }, 'mid', ['child', 'one task']),
    box({ x: 738, y: 170, w: 112, h: 50 }, 'mid', ['child', 'one task']),
    note(730, 250, 'as threads, and memory of their own:'),
    note(730, 270, 'crashes and leaks cost one child (SIGKILL)'),
    arrow(376, 118, 376, 168),
    arrow(504, 168, 504, 118, 'back'),
    arrow(666, 118, 666, 168),
    arrow(794, 168, 794, 118, 'back'),
    arrow(150, 118, 150, 168),
    note(
      440,
      310,
      'solid: the encoded body of a message · dashed: the encoded result, and log lines, states, retries',
    ),
  ].join(''),
)
