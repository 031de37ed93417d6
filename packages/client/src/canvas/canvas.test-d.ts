/** Types follow arguments and results through canvases. */
import { expectTypeOf } from 'vitest'
import { createApp } from '../app/index.ts'
import type { AsyncResult } from '../result/index.ts'
import { chain, chord, group } from './index.ts'
import type { Mismatch, Signature } from './index.ts'
import type { CheckedBody, CheckedSteps } from './signature-types.ts'

const app = createApp({ name: 'proj' })
const add = app.task('proj.add', (x: number, y: number) => x + y)
const xsum = app.task('proj.xsum', (numbers: number[]) => numbers.length)
const text = app.task('proj.text', (value: number) => String(value))
const upper = app.task('proj.upper', async (value: string) => value.toUpperCase())
const pad = app.task('proj.pad', (value: string, width = 8) => value.padEnd(width))
const total = app.task('proj.total', (...numbers: number[]) => numbers.length)
const onError = app.task('proj.onError', (taskId: string) => taskId)

// What `.s()` leaves to give: the first arguments
expectTypeOf(add.s(2, 2)).toEqualTypeOf<Signature<[], number>>()
expectTypeOf(add.s(4)).toEqualTypeOf<Signature<[x: number], number>>()
expectTypeOf(add.s()).toEqualTypeOf<Signature<[x: number, y: number], number>>()
// @ts-expect-error a text is no number
add.s('4')
// @ts-expect-error too many
add.s(1, 2, 3)
expectTypeOf(pad.s(4)).toEqualTypeOf<Signature<[value: string], string>>()
expectTypeOf(pad.s('x')).toEqualTypeOf<Signature<[], string>>()
void total.s(1, 2).delay(3)

void add.s(2, 2).delay()
void add.s(2, 2).applyAsync({ countdown: 5 })
void add.s(4).delay(2)
void add.s(4).applyAsync([2])
// @ts-expect-error an argument is missing
void add.s(4).delay()
// @ts-expect-error an argument is missing
void add.s(4).applyAsync({ countdown: 5 })
// @ts-expect-error a text is no number
void add.s(4).delay('2')

// Chains: each step takes the result of the one before
const eight = chain(add.s(2, 2), add.s(4))
expectTypeOf(eight.applyAsync()).resolves.toEqualTypeOf<AsyncResult<number>>()
expectTypeOf(chain(add.s(2, 2), text.s(), upper.s()).applyAsync()).resolves.toEqualTypeOf<
  AsyncResult<string>
>()
expectTypeOf(chain(add.s(4), text.s()).delay(1)).resolves.toEqualTypeOf<AsyncResult<string>>()
chain(add.s(2, 2), add.si(1, 1), add.s(4))
chain(chain(add.s(1), add.s(2)), add.s(3))
// @ts-expect-error the second step takes no argument any more
chain(add.s(2, 2), add.s(4, 4))
// @ts-expect-error a number is no text
chain(add.s(2, 2), upper.s())
// @ts-expect-error a number is no text, in the middle
chain(text.s(1), upper.s(), add.s(1), text.s())
// @ts-expect-error the first step lacks an argument
void chain(add.s(4), add.s(4)).delay()
// What is not known is not checked
chain(app.signature('python.task'), add.s(4))
chain(add.s(1, 1), app.signature('python.task'))
chain(...[add.s(1), add.s(2)])

// What a compiler says of a wrong step, and where
chain(
  text.s(1),
  upper.s(),
  // @ts-expect-error the error is at the step that does not fit
  add.s(1),
  text.s(),
)
type Add = Signature<[x: number], number>
type Upper = Signature<[value: string], string>
expectTypeOf<CheckedSteps<[Add, Upper, Upper]>>().toEqualTypeOf<
  [Add, Mismatch<'the step before gives', number, 'this step takes', [value: string]>, Upper]
>()
expectTypeOf<CheckedSteps<[Add, Signature<[], number>]>[1]>().toEqualTypeOf<
  Mismatch<'this has all its arguments; made with .si() it ignores what comes before', Signature<[], number>>
>()
expectTypeOf<CheckedSteps<[typeof add, Add]>[0]>().toEqualTypeOf<
  Mismatch<'this is a task, not a call of it: write .s(…)'>
>()
expectTypeOf<CheckedSteps<[Add[], Add]>[0]>().toEqualTypeOf<
  Mismatch<'this is a list: spread it, as in chain(...steps)'>
>()
expectTypeOf<CheckedBody<[Add, Upper], Add>>().toEqualTypeOf<
  Mismatch<'the header gives', [number, string], 'the body takes', [x: number]>
>()
// @ts-expect-error a task is no signature
chain(add, text.s())
// @ts-expect-error a list is no signature
chain([add.s(1, 2), text.s()])
// @ts-expect-error a number is no signature
chord([add.s(1, 1)], 5)

// Long chains cost the compiler no depth
// oxfmt-ignore
expectTypeOf(
  chain(add.s(1, 2), add.s(1), add.s(1), add.s(1), add.s(1), add.s(1), add.s(1), add.s(1), add.s(1), add.s(1), add.s(1), add.s(1),
    add.s(1), add.s(1), add.s(1), add.s(1), add.s(1), add.s(1), add.s(1), add.s(1), add.s(1), add.s(1), add.s(1), add.s(1), add.s(1),
    add.s(1), add.s(1), add.s(1), add.s(1), add.s(1), add.s(1), add.s(1), add.s(1), add.s(1), add.s(1), add.s(1), add.s(1), add.s(1),
    add.s(1), add.s(1), add.s(1), add.s(1), add.s(1), add.s(1), add.s(1), add.s(1), add.s(1), add.s(1), add.s(1), add.s(1), add.s(1),
    add.s(1), add.s(1), add.s(1), add.s(1), add.s(1), add.s(1), add.s(1), add.s(1), add.s(1), add.s(1), text.s()),
).toEqualTypeOf<Signature<[], string>>()

// The same, one after the other
expectTypeOf(add.s(2, 2).pipe(add.s(4)).applyAsync()).resolves.toEqualTypeOf<AsyncResult<number>>()
expectTypeOf(add.s(2).pipe(text.s(), upper.s()).delay(1)).resolves.toEqualTypeOf<AsyncResult<string>>()
expectTypeOf(
  group([add.s(1, 1), add.s(2, 2)])
    .pipe(xsum.s())
    .pipe(text.s())
    .applyAsync(),
).resolves.toEqualTypeOf<AsyncResult<string>>()
// @ts-expect-error a number is no text
add.s(2, 2).pipe(upper.s())
// @ts-expect-error a number is no text, further on
add.s(2, 2).pipe(add.s(1), upper.s())
// @ts-expect-error texts are no numbers
group([text.s(1), text.s(2)]).pipe(xsum.s())
// A group of one that follows something is its member
expectTypeOf(chain(add.s(1, 1), group([text.s()])).applyAsync()).resolves.toEqualTypeOf<AsyncResult<string>>()
expectTypeOf(
  chain(add.s(1, 1), group([text.s(), add.s(1)]))
    .applyAsync()
    .then((result) => result.get()),
).resolves.toEqualTypeOf<[string, number]>()

// Groups
const both = group([add.s(1, 1), text.s(2)])
expectTypeOf(both.applyAsync().then((result) => result.get())).resolves.toEqualTypeOf<[number, string]>()
expectTypeOf(
  group(add.s(1, 1), add.s(2, 2))
    .applyAsync()
    .then((result) => result.get()),
).resolves.toEqualTypeOf<[number, number]>()
expectTypeOf(
  group([1, 2].map((n) => add.s(n, n)))
    .applyAsync()
    .then((result) => result.get()),
).resolves.toEqualTypeOf<number[]>()
expectTypeOf(
  group([add.s(1), add.s(2)])
    .delay(1)
    .then((result) => result.get()),
).resolves.toEqualTypeOf<[number, number]>()

// A group takes what every member takes
// @ts-expect-error a number is no text
void group([add.s(1), upper.s()]).delay(1)
// @ts-expect-error one of the members takes no number
chain(add.s(1, 1), group([add.s(1), upper.s()]))
void group([add.s(1), text.s(), add.si(1, 1)]).delay(1)
function* several(): Generator<Signature<[x: number], number>> {
  yield add.s(1)
}
expectTypeOf(
  group(several())
    .delay(1)
    .then((result) => result.get()),
).resolves.toEqualTypeOf<number[]>()

// Chords
expectTypeOf(chord(group([add.s(1, 1), add.s(2, 2)]), xsum.s()).applyAsync()).resolves.toEqualTypeOf<
  AsyncResult<number>
>()
expectTypeOf(chord([add.s(1, 1), add.s(2, 2)], xsum.s()).applyAsync()).resolves.toEqualTypeOf<
  AsyncResult<number>
>()
expectTypeOf(
  chain(group([add.s(1, 1), add.s(2, 2)]), xsum.s(), text.s()).applyAsync(),
).resolves.toEqualTypeOf<AsyncResult<string>>()
chord(
  [1, 2].map((n) => add.s(n, n)),
  xsum.s(),
)
expectTypeOf(chord(several(), xsum.s()).delay(1)).resolves.toEqualTypeOf<AsyncResult<number>>()
// @ts-expect-error the body takes no list of numbers
chord(several(), upper.s())
// @ts-expect-error texts are no numbers
chord([text.s(1), text.s(2)], xsum.s())
// @ts-expect-error the body takes no list
chord([add.s(1, 1)], text.s())
// @ts-expect-error texts are no numbers
chain(group([text.s(1), text.s(2)]), xsum.s())

// Tasks of others, with the types declared for them
const describe = app.remoteTask<(value: number, language?: string) => Promise<string>>('py.describe', {
  queue: 'py',
})
expectTypeOf(chain(add.s(2, 2), describe.s('en'), upper.s()).applyAsync()).resolves.toEqualTypeOf<
  AsyncResult<string>
>()
expectTypeOf(describe.delay(1)).resolves.toEqualTypeOf<AsyncResult<string>>()
expectTypeOf(describe.map([1, 2]).applyAsync()).resolves.toEqualTypeOf<AsyncResult<string[]>>()
// @ts-expect-error a text is no number
chain(upper.s('x'), describe.s())
// @ts-expect-error a text is no number
void describe.delay('1')
expectTypeOf(describe.applyAsync([], { kwargs: { value: 1 } })).resolves.toEqualTypeOf<AsyncResult<string>>()
// @ts-expect-error an argument is missing
void describe.applyAsync([])

// Links
void add.applyAsync([1, 1], { link: text.s(), linkError: onError.s() })
expectTypeOf(add.s(1, 1).onError(onError.s())).toEqualTypeOf<Signature<[], number>>()
expectTypeOf(add.s(1, 1).set({ queue: 'q' })).toEqualTypeOf<Signature<[], number>>()
// @ts-expect-error a number is no text
add.s(1, 1).link(upper.s())
expectTypeOf(add.s(1, 1).link(text.s())).toEqualTypeOf<Signature<[value: number], string>>()
group([add.s(1, 1)]).link(upper.s())

// Clones, with more arguments in front
expectTypeOf(add.s(4).clone()).toEqualTypeOf<Signature<[x: number], number>>()
expectTypeOf(add.s().clone([1])).toEqualTypeOf<Signature<[y: number], number>>()
expectTypeOf(add.s().clone([1, 2], { queue: 'q' })).toEqualTypeOf<Signature<[], number>>()
expectTypeOf(pad.s().clone(['x']).delay()).resolves.toEqualTypeOf<AsyncResult<string>>()
void add
  .s()
  .clone([], { kwargs: { y: 2 } })
  .delay(1)
void add.s().applyAsync([1], { kwargs: { y: 2 } })
void add.s().apply([1], { kwargs: { y: 2 } })
// @ts-expect-error a text is no number
add.s().clone(['1'])
// @ts-expect-error one argument only is left
add.s(1).clone([1, 2])

// Many at once
expectTypeOf(app.sendMany([add.s(1, 1), text.s(1)])).resolves.toEqualTypeOf<
  [AsyncResult<number>, AsyncResult<string>]
>()
expectTypeOf(app.sendMany([1, 2].map((n) => add.s(n, n)))).resolves.toEqualTypeOf<AsyncResult<number>[]>()

// Maps
expectTypeOf(text.map([1, 2]).applyAsync()).resolves.toEqualTypeOf<AsyncResult<string[]>>()
expectTypeOf(
  add
    .starmap([
      [1, 2],
      [3, 4],
    ])
    .applyAsync(),
).resolves.toEqualTypeOf<AsyncResult<number[]>>()
// @ts-expect-error a text is no number
text.map(['1'])

// A chain of nothing sends nothing
expectTypeOf(chain().applyAsync()).resolves.toEqualTypeOf<null>()

// What a visitor gets has its type where the visitor is written
void add.s(1, 1).stamp({ onSignature: (signature) => ({ step: signature.task.toUpperCase() }) })
void add.s(1, 1).stamp({ tenant: 'acme', onSignatures: 3 })

// map gives one argument
void text.map([1, 2])
void pad.map(['a'])
void total.map([1])
// @ts-expect-error add takes two
void add.map([1, 2])
// @ts-expect-error a text is no number
void text.map(['a'])
// @ts-expect-error two arguments
void app.remoteTask<(x: number, y: number) => number>('far').map([1])
