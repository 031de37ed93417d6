/** The primitives of canvas, and what composing makes of them (docs/userguide/canvas.md). */
import { arrow, box, note, path, svg } from './shapes.ts'

/** A task with what it is given and gives, one after the other, or side by side. */
type Flow =
  | readonly [title: string, ...lines: string[]]
  | { readonly seq: readonly Flow[] }
  | { readonly par: readonly Flow[]; readonly as?: string }

type Point = readonly [x: number, y: number]

interface Laid {
  readonly w: number
  readonly h: number
  draw(
    x: number,
    y: number,
  ): { readonly body: string; readonly ins: readonly Point[]; readonly outs: readonly Point[] }
}

const task = { w: 132, h: 50 }
const gap = { x: 46, y: 14 }

function laid(flow: Flow): Laid {
  if ('seq' in flow) return inSequence(flow.seq.map(laid))
  if ('par' in flow) {
    const side = sideBySide(flow.par.map(laid))
    return flow.as === undefined ? side : framed(side, flow.as)
  }
  const [title, ...lines] = flow
  const size = { w: task.w, h: task.h + Math.max(0, lines.length - 1) * 18 }
  const kind = title.startsWith('!') ? 'card body' : title.startsWith('=') ? 'mid' : 'card ts'
  return {
    ...size,
    draw: (x, y) => ({
      body: box({ x, y, ...size }, kind, [title.replace(/^[!=]/, ''), ...lines]),
      ins: [[x, y + size.h / 2]],
      outs: [[x + size.w, y + size.h / 2]],
    }),
  }
}

/** What belongs together, with its name above. */
function framed(inside: Laid, name: string): Laid {
  const around = { x: 14, top: 30, bottom: 14 }
  return {
    w: inside.w + 2 * around.x,
    h: inside.h + around.top + around.bottom,
    draw(x, y) {
      const { body, ins, outs } = inside.draw(x + around.x, y + around.top)
      const w = inside.w + 2 * around.x
      const h = inside.h + around.top + around.bottom
      const frame = `<rect class="frame" x="${x}" y="${y}" width="${w}" height="${h}" rx="12"/>`
      return { body: frame + note(x + 14, y + 20, name, 'start') + body, ins, outs }
    },
  }
}

function inSequence(parts: readonly Laid[]): Laid {
  const h = Math.max(...parts.map((part) => part.h))
  const w = parts.reduce((sum, part) => sum + part.w, 0) + gap.x * (parts.length - 1)
  return {
    w,
    h,
    draw(x, y) {
      let at = x
      let before: readonly Point[] | undefined
      let first: readonly Point[] = []
      const bodies: string[] = []
      for (const part of parts) {
        const { body, ins, outs } = part.draw(at, y + (h - part.h) / 2)
        bodies.push(body)
        if (before === undefined) first = ins
        else
          for (const from of before)
            for (const to of ins) bodies.push(arrow(from[0] + 2, from[1], to[0] - 2, to[1]))
        before = outs
        at += part.w + gap.x
      }
      return { body: bodies.join(''), ins: first, outs: before ?? [] }
    },
  }
}

function sideBySide(parts: readonly Laid[]): Laid {
  const w = Math.max(...parts.map((part) => part.w))
  return {
    w,
    h: parts.reduce((sum, part) => sum + part.h, 0) + gap.y * (parts.length - 1),
    draw(x, y) {
      let at = y
      const drawn = parts.map((part) => {
        const one = part.draw(x, at)
        at += part.h + gap.y
        return one
      })
      return {
        body: drawn.map(({ body }) => body).join(''),
        ins: drawn.flatMap(({ ins }) => ins),
        outs: drawn.flatMap(({ outs }) => outs),
      }
    },
  }
}

function picture(name: string, label: string, flow: Flow, caption: string): void {
  const { w, h, draw } = laid(flow)
  const width = Math.max(w + 40, caption.length * 6.6 + 40)
  svg(
    `canvas-${name}.svg`,
    width,
    h + 72,
    label,
    draw((width - w) / 2, 20).body + note(width / 2, h + 54, caption),
  )
}

picture(
  'chain',
  'chain: three tasks one after the other, each with the result of the one before',
  {
    seq: [
      ['add(2, 2)', 'gives 4'],
      ['mul(4, 8)', 'gives 32'],
      ['add(32, 10)', 'gives 42'],
    ],
  },
  'the message of each step carries the rest: whoever finishes a step sends the next',
)
picture(
  'group',
  'group: three tasks are sent at once, the result is the list of theirs',
  {
    seq: [
      ['=applyAsync()', 'sends all at once'],
      {
        as: 'group',
        par: [
          ['add(1, 1)', 'gives 2'],
          ['add(2, 2)', 'gives 4'],
          ['add(3, 3)', 'gives 6'],
        ],
      },
      ['=get()', 'gives [2, 4, 6]'],
    ],
  },
  'nobody waits but who asks: the results are collected where get() is called',
)
picture(
  'chord',
  'chord: a header of three tasks at once, then a body with the list of their results',
  {
    seq: [
      {
        as: 'header',
        par: [
          ['mul(1, 1)', 'gives 1'],
          ['mul(2, 2)', 'gives 4'],
          ['mul(3, 3)', 'gives 9'],
        ],
      },
      ['!xsum([1, 4, 9])', 'gives 14'],
    ],
  },
  'who finishes last, by the count in the result store, sends the body',
)
picture(
  'map',
  'starmap: one task that calls another for each item; chunks: several such tasks at once',
  {
    seq: [
      ['=applyAsync()', 'two messages'],
      {
        as: 'chunks of 2: a group',
        par: [
          ['starmap', 'add(1, 1) gives 2', 'add(2, 2) gives 4'],
          ['starmap', 'add(3, 3) gives 6'],
        ],
      },
      ['=get()', 'gives [[2, 4], [6]]'],
    ],
  },
  'one message for many calls, which the task makes one by one',
)
picture(
  'pipeline',
  'a task, a group, a task: the group and what follows it become a chord',
  {
    seq: [
      ['fetch(url)'],
      {
        as: 'group, now a header',
        par: [
          ['resize', 'image, 100'],
          ['resize', 'image, 400'],
          ['resize', 'image, 1600'],
        ],
      },
      ['!publish', 'list of 3'],
      ['notify(page)'],
    ],
  },
  'fetch.s(url).pipe(group(sizes), publish.s(), notify.s())',
)
picture(
  'nested',
  'a header may hold chains: the body waits for the last step of each',
  {
    seq: [
      {
        as: 'header',
        par: [{ seq: [['load(a)'], ['parse(text)']] }, { seq: [['load(b)'], ['parse(text)']] }],
      },
      ['!merge(parts)'],
    ],
  },
  'chord([load.s(a).pipe(parse.s()), load.s(b).pipe(parse.s())], merge.s())',
)

/** Callbacks and error callbacks. */
svg(
  'canvas-links.svg',
  520,
  190,
  'A task with a callback for its result and an error callback for its failure',
  [
    box({ x: 20, y: 70, ...task }, 'card ts', ['add(2, 2)']),
    box({ x: 350, y: 20, ...task }, 'card', ['keep(4)', 'link']),
    box({ x: 350, y: 110, ...task }, 'card', ['alarm(id)', 'linkError']),
    arrow(154, 88, 348, 45),
    arrow(154, 102, 348, 135, 'back'),
    note(250, 44, 'with its result'),
    note(250, 146, 'with its id, when it failed'),
  ].join(''),
)

/** What replacing does to ids and to what comes next. */
svg(
  'canvas-replace.svg',
  720,
  190,
  'A task in the middle of a chain replaces itself by two tasks; the last has its id, and the next step follows that',
  [
    box({ x: 20, y: 20, ...task }, 'card ts', ['one']),
    box({ x: 290, y: 20, ...task }, 'card', ['plan', 'id 7, replaced']),
    box({ x: 560, y: 20, ...task }, 'card ts', ['three']),
    box({ x: 200, y: 110, ...task }, 'card body', ['two a', 'id 8']),
    box({ x: 390, y: 110, ...task }, 'card body', ['two b', 'id 7']),
    arrow(154, 45, 288, 45),
    path('M330 72 C320 92 290 96 272 108', 'back'),
    arrow(334, 135, 388, 135),
    path('M524 135 C600 135 626 110 626 74'),
    note(612, 160, 'who waits for id 7'),
    note(612, 176, 'gets what two b gives'),
  ].join(''),
)
