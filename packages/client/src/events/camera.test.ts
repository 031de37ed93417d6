import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { Camera, State } from './index.ts'

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

const started = { type: 'task-started', uuid: 't', hostname: 'w', timestamp: 1, local_received: 1 }
const succeeded = { ...started, type: 'task-succeeded' }

describe('the camera', () => {
  it('EVT-50: takes a picture every freq seconds, a last one at the end, and cleans up every hour', async () => {
    const seen: number[] = []
    let cleaned = 0
    const state = new State()
    const camera = new Camera(state, {
      freq: 2,
      onShutter: ({ eventCount }) => seen.push(eventCount),
      onCleanup: () => cleaned++,
    }).start()
    await vi.advanceTimersByTimeAsync(2000)
    state.event(started)
    await vi.advanceTimersByTimeAsync(2000)
    expect(seen).toEqual([0, 1])
    await vi.advanceTimersByTimeAsync(3_600_000)
    expect(cleaned).toBe(1)
    const before = seen.length
    await camera.stop()
    expect(seen).toHaveLength(before + 1)
    await vi.advanceTimersByTimeAsync(10_000)
    expect(seen).toHaveLength(before + 1)
  })

  it('EVT-50: not more than maxrate', async () => {
    let taken = 0
    const camera = new Camera(new State(), { freq: 1, maxrate: '10/m', onShutter: () => taken++ }).start()
    await vi.advanceTimersByTimeAsync(60_000)
    expect(taken).toBe(10)
    await camera.stop()
    expect(() => new Camera(new State(), { frq: 2 } as object)).toThrow(
      'A camera has no option "frq". Did you mean "freq"?',
    )
    expect(() => new Camera(new State(), { onshutter: () => {} } as object)).toThrow(
      /Did you mean "onShutter"/,
    )
    expect(() => new Camera(new State(), { clearAfter: 'yes' as never })).toThrow(
      /"clearAfter" must be true or false/,
    )
    expect(() => new Camera(new State(), { maxrate: 'often' })).toThrow(/maxrate/)
    expect(() => new Camera(new State(), { freq: 0 })).toThrow(/freq/)
  })

  it('EVT-50: the state holds still for a slow one, clearAfter forgets, and an error ends nothing', async () => {
    const gate = Promise.withResolvers<void>()
    const states: string[] = []
    const errors: unknown[] = []
    class Slow extends Camera {
      override async onShutter(state: State): Promise<void> {
        await gate.promise
        states.push(state.tasks.get('t')?.state ?? 'none')
        throw new Error('full')
      }
    }
    const state = new State()
    state.event(started)
    const camera = new Slow(state, { clearAfter: true, onError: (error) => errors.push(error) })
    const taking = camera.capture()
    state.event(succeeded)
    expect(camera.capture()).toBe(taking)
    gate.resolve()
    await taking
    await camera.capture()
    const warned = vi.spyOn(process, 'emitWarning').mockReturnValue()
    await new Camera(state, { onShutter: () => Promise.reject(new Error('full')) }).capture()
    expect(warned).toHaveBeenCalledWith("The camera's shutter failed: full")
    warned.mockRestore()
    expect(states).toEqual(['STARTED', 'SUCCESS'])
    expect(errors).toHaveLength(2)
    expect(state.tasks.size).toBe(0)
  })
})
