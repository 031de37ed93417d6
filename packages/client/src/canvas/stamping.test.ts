import { expect, it } from 'vitest'
import { capturedApp } from '../../test/captured-app.ts'

it('CANVAS-90: a stamp that is a function is refused, with what a visitor has', async () => {
  await using captured = capturedApp()
  const task = captured.app.task('task', () => 1)
  const misspelt = { onSignatur: () => ({ tenant: 'acme' }) }
  expect(() => task.s().stamp(misspelt)).toThrow(
    expect.objectContaining({
      code: 'CT_CONFIGURATION',
      message: expect.stringMatching(/"onSignatur".*onSignature/),
    }),
  )
  expect(task.s().stamp({ tenant: 'acme' }).toJSON().options).toMatchObject({ tenant: 'acme' })
})
