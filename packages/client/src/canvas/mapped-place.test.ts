import { describe, expect, it } from 'vitest'
import { capturedApp } from '../../test/captured-app.ts'

describe('where map, starmap and chunks go', () => {
  it.each([
    ['map', 1],
    ['starmap', 1],
    ['chunks', 2],
  ] as const)('CANVAS-53: %s of a task goes to the queue of its definition', async (kind, count) => {
    await using captured = capturedApp()
    const sum = captured.app.task('sum', { queue: 'sums' }, (value: number) => value)
    if (kind === 'map') await sum.map([1, 2]).applyAsync()
    else if (kind === 'starmap') await sum.starmap([[1], [2]]).applyAsync()
    else await sum.chunks([[1], [2]], 1).applyAsync()
    expect(await captured.sent('sums')).toHaveLength(count)
    expect(await captured.sent()).toEqual([])
  })

  it('CANVAS-2, CANVAS-53: map of a remote task goes to the queue of its declaration, also after travelling', async () => {
    await using captured = capturedApp()
    const far = captured.app.remoteTask<(value: number) => number>('py.sum', { queue: 'py' })
    const canvas = far.map([1, 2])
    await canvas.applyAsync()
    await captured.app.signature(JSON.parse(JSON.stringify(canvas)) as object).applyAsync()
    expect((await captured.sent('py')).map(({ headers }) => headers['task'])).toEqual([
      'celery.map',
      'celery.map',
    ])
  })

  it('CANVAS-53: a queue of the call wins over that of the task', async () => {
    await using captured = capturedApp()
    const far = captured.app.remoteTask<(value: number) => number>('py.sum', { queue: 'py', priority: 3 })
    await far.map([1]).applyAsync({ queue: 'other' })
    await far.map([1]).set({ queue: 'other' }).applyAsync()
    expect(await captured.sent('other')).toHaveLength(2)
  })
})
