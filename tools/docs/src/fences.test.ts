import { expect, it } from 'vitest'
import { fencesIn } from './fences.ts'

it('finds blocks with their info string, also indented and inside longer fences', () => {
  const markdown = [
    '- a',
    '  ```ts a.ts',
    '  one',
    '    two',
    '  ```',
    '````md',
    '```ts',
    '```',
    '````',
  ].join('\n')
  expect(fencesIn(markdown)).toEqual([
    { line: 3, language: 'ts', words: ['a.ts'], text: 'one\n  two\n' },
    { line: 7, language: 'md', words: [], text: '```ts\n```\n' },
  ])
})

it('says where a block without an end begins', () => {
  expect(() => fencesIn('a\n```ts\nb')).toThrow('the code block of line 2 has no end')
})
