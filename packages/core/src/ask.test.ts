import { PassThrough } from 'node:stream'
import { expect, it } from 'vitest'
import { ask } from './ask.ts'

it('CLI-28: an answer, and none: who presses Ctrl-D has not agreed', async () => {
  const [input, output] = [new PassThrough(), new PassThrough().setEncoding('utf8')]
  const answered = ask('Sure? ', input, output)
  input.write('yes\n')
  expect(await answered).toBe('yes')
  expect(output.read()).toBe('Sure? ')
  const left = ask('Sure? ', input, output)
  input.end()
  expect(await left).toBe('')
  expect(output.read()).toBe('Sure? \n')
})
