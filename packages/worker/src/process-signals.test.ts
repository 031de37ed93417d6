import { EventEmitter } from 'node:events'
import { describe, expect, it } from 'vitest'
import { installSignals } from './process-signals.ts'

function handled(signals: readonly NodeJS.Signals[], environment: Record<string, string> = {}): string[] {
  const target = new EventEmitter()
  const modes: string[] = []
  const remove = installSignals({
    onStop: (mode) => modes.push(mode),
    environment,
    target: target as unknown as NodeJS.Process,
  })
  for (const signal of signals) target.emit(signal, signal)
  remove()
  expect(target.eventNames()).toEqual([])
  return modes
}

describe('installSignals', () => {
  it('WORK-13: TERM and INT stop warm, QUIT soft and cold', () => {
    expect(handled(['SIGTERM'])).toEqual(['warm'])
    expect(handled(['SIGINT'])).toEqual(['warm'])
    expect(handled(['SIGQUIT'])).toEqual(['soft'])
  })

  it('WORK-18, PAIN-41: each further signal goes one step on', () => {
    expect(handled(['SIGTERM', 'SIGTERM', 'SIGINT', 'SIGTERM', 'SIGTERM'])).toEqual([
      'warm',
      'soft',
      'cold',
      'exit',
      'exit',
    ])
    expect(handled(['SIGINT', 'SIGQUIT', 'SIGQUIT'])).toEqual(['warm', 'soft', 'cold'])
  })

  it('WORK-19: REMAP_SIGTERM=SIGQUIT makes TERM a QUIT', () => {
    expect(handled(['SIGTERM', 'SIGTERM'], { REMAP_SIGTERM: 'SIGQUIT' })).toEqual(['soft', 'cold'])
  })
})
