import { expect, it } from 'vitest'
import { createApp } from '../app/index.ts'
import { chord } from './index.ts'

it('CANVAS-1, CANVAS-7: what is no argument, flag or option is refused with what was meant', async () => {
  const app = createApp({ name: 'p' })
  const add = app.task('p.add', (x: number, y: number) => x + y)
  const xsum = app.task('p.xsum', (list: number[]) => list.length)
  const cases: readonly (readonly [what: () => unknown, message: string])[] = [
    [
      () => add.s(1).clone([], { kwargs: 'ab' as never }),
      "Keyword arguments are an object such as { kwargs: { y: 2 } }, not 'ab'",
    ],
    [() => add.s(1, 2).applyAsync([], { kwargs: 5 as never }), 'not 5'],
    [() => add.s(1, 2).apply([], { kwargs: [1] as never }), 'not [1]'],
    [() => add.s(1, 2).apply({ throw: 'no' as never }), `"throw" must be true or false, not 'no'`],
    [() => add.s(1).setImmutable('yes' as never), `"immutable" must be true or false, not 'yes'`],
    [() => add.s(1).set({ immutable: 1 as never }), '"immutable" must be true or false, not 1'],
    [() => app.signature('p.add', { args: 'ab' as never }), "Arguments are a list such as [2, 2], not 'ab'"],
    [() => app.signature('p.add', { kwargs: [1] as never }), 'not [1]'],
    [() => app.signature('p.add', { immutable: 'no' as never }), "not 'no'"],
    [
      () => add.s(1).stamp({ a: 1 }, { apend: true } as object),
      'stamp has no option "apend". Did you mean "append"?',
    ],
    [
      () => add.s(1).stamp({ a: 1 }, { stamps: { b: 2 } } as object),
      'Without a visitor all stamps come first',
    ],
    [() => chord([add.s(1, 2)], xsum.s(), { queue: 'x' } as never), 'chord takes a header and a body'],
  ]
  for (const [what, message] of cases)
    await expect(Promise.resolve().then(what)).rejects.toMatchObject({
      code: 'CT_CONFIGURATION',
      message: expect.stringContaining(message) as string,
    })
})
