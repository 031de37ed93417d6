/** Trees that once came to different outcomes, as small as they could be made: each is judged every time. */
import { queues } from './generate.ts'
import type { Errback, How, Node, TaskNode, Tree } from './tree.ts'

type Extra = Partial<Omit<TaskNode, 'kind' | 'tag' | 'how'>>

const task = (tag: string, how: How = 'sum', extra: Extra = {}): TaskNode => ({
  kind: 'task',
  tag,
  how,
  n: 1,
  queue: Number(tag.slice(1)) % 2 === 0 ? queues.py : queues.ct,
  named: true,
  ...extra,
})
const chain = (...steps: readonly Node[]): Node => ({ kind: 'chain', steps })
const group = (...members: readonly Node[]): Node => ({ kind: 'group', members })
const chord = (header: readonly Node[], body: Node): Node => ({ kind: 'chord', header, body })
const linked = (node: Node, ...links: readonly Node[]): Node => ({ ...node, links })
const caught = (node: Node, tag: string, style: Errback['style'] = 'id'): Node => ({
  ...node,
  errbacks: [{ tag, style, queue: queues.ct }],
})

const roots: readonly Node[] = [
  // A callback of a group takes the first member's result where it is a chain, and none where it is a task.
  linked(group(task('t0')), chain(task('t1'))),
  linked(chain(chord([task('t0')], group(task('t1'), task('t2')))), task('t3')),
  // The list of a group at the end of a chord's body goes to the chord behind it.
  chain(
    chord([task('t0')], chain(task('t1'), group(task('t2'), task('t3')))),
    chord([task('t4')], task('t5')),
  ),
  chain(
    group(task('t0'), task('t1')),
    group(task('t2'), task('t3')),
    group(task('t4'), task('t5')),
    task('t6'),
  ),
  // Behind an unknown task nothing has run, and nothing is stored.
  chord([chord([], group(chain(task('t0', 'missing'), task('t1'))))], task('t2')),
  // Error callbacks: of a chain for the chords in the header of a step, and of a chain that is a body and begins with a chord.
  caught(chain(chord([chord([], task('t0', 'fail'))], task('t1', 'fail'))), 't2'),
  caught(chain(group(chord([chord([task('t0')], task('t1', 'fail'))], task('t3')))), 't2'),
  chord([task('t0', 'fail')], caught(chain(chord([task('t1')], task('t2')), task('t3')), 't4')),
  // Every step of a body is told that it will not run.
  chord([task('t0', 'fail')], chain(task('t1'), task('t2'), task('t3'))),
  chord([task('t0', 'fail')], chord([task('t1')], chord([task('t2')], task('t3')))),
  chord([task('t0', 'sum', { revoked: true })], chain(chord([task('t1')], task('t2')))),
  // What replaces a member begins with nothing.
  chord([task('t0', 'replace', { with: chain(group(), task('t1', 'sum', { named: false })) })], task('t2')),
  // A body that has no header, of a member that was replaced in the one language and is ended in the other.
  chain(
    group(
      task('t0', 'replace', {
        with: chord([task('t3', 'sum', { named: false })], chord([], task('t5', 'sum', { named: false }))),
      }),
      task('t7'),
    ),
    task('t11'),
  ),
  // A header that is one group.
  chain(task('t0'), chord([chord([task('t1')], group(task('t2'), task('t3')))], task('t4'))),
  // Added to a chord, before and beside one that retries.
  chord(
    [task('t0', 'extend', { with: task('t1', 'echo') }), task('t2', 'retry', { times: 1 })],
    task('t3', 'echo'),
  ),
  // Chunks: a task that sends a group, also of nothing, and the group that it is when it is made.
  group(
    task('t0', 'chunks', { it: [[1, 2], [3], [4, 5]], n: 2 }),
    task('t1', 'chunks', { it: [[1, 2]], n: 2 }),
    task('t2', 'chunks', { it: [] }),
  ),
  chord(
    [
      {
        kind: 'group',
        chunk: 2,
        members: [task('t0', 'starmap', { it: [[1], [2]] }), task('t1', 'starmap', { it: [[3, 4]] })],
      },
    ],
    task('t2', 'echo'),
  ),
  chord([task('t0', 'map', { it: [1, 2] }), task('t1', 'starmap', { it: [[1, 2]] })], task('t2', 'echo')),
]

/** Built and sent by each in turn where both languages work. */
export const knownTrees: readonly Tree[] = roots.map((root, index) => ({
  seed: -1 - index,
  root,
  args: [],
  builtBy: index % 2 === 0 ? 'py' : 'ct',
  sentBy: index % 3 === 0 ? 'ct' : 'py',
}))
