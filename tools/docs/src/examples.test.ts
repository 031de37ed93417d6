import { expect, it } from 'vitest'
import { describePages } from './describe-pages.ts'
import { pages } from './page.ts'
import { typeErrors } from './type-check.ts'

const all = pages()

it('every TypeScript example of the docs compiles', () => {
  expect(typeErrors(all)).toEqual([])
}, 180_000)

describePages(
  all.filter(
    ({ need, steps }) => need === 'nothing' && steps.some((step) => step.kind === 'console' || step.run),
  ),
  async () => ({}),
)
