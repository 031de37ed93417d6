import { setImmediate as turn } from 'node:timers/promises'
import { expect, it } from 'vitest'
import { LostSettlements } from './lost-settlements.ts'

it('WORK-86: hundreds of lost settlements are a few lines, and the next loss is told again', async () => {
  const lines: string[] = []
  const lost = new LostSettlements(() => ({ warn: (line) => void lines.push(line) }))
  for (let n = 0; n < 300; n += 1) lost.tell(`t[${n}]`, new Error('The channel has ended.'))
  await turn()
  expect(lines).toHaveLength(6)
  expect(lines[0]).toBe(
    'The settlement of task t[0] did not reach the broker; its message will come again. The channel has ended.',
  )
  expect(lines[5]).toBe('Nor did the settlements of 295 more tasks.')
  lost.tell('t[300]', 'gone')
  await turn()
  expect(lines).toHaveLength(7)
})
