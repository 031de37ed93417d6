import { EventEmitter } from 'node:events'
import { expect, it } from 'vitest'
import { installSignals } from './beat-signals.ts'

it('BEAT-14: the first signal stops, every further one ends the process, whichever it is; removed, none does anything', () => {
  const target = new EventEmitter()
  const told: string[] = []
  const remove = installSignals({
    target: target as unknown as NodeJS.Process,
    onStop: (signal) => void told.push(`stop ${signal}`),
    onEnd: (signal, exitCode) => void told.push(`end ${signal} ${exitCode}`),
  })
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGTERM']) target.emit(signal, signal)
  remove()
  target.emit('SIGINT', 'SIGINT')
  expect(told).toEqual(['stop SIGTERM', 'end SIGINT 130', 'end SIGTERM 143'])
})
