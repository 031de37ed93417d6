import { describe, expect, it } from 'vitest'
import { RawJson } from '@ct/contracts'
import { capturedApp } from '../../test/captured-app.ts'
import { Queue } from '../routing/index.ts'
import { argumentsAndOptions, toSignatureOptions } from './call-option-names.ts'

describe('options of a call', () => {
  it('TASK-130: options behind arguments that are not given count all the same', () => {
    expect(argumentsAndOptions([undefined, { countdown: 3 }])).toEqual([[], { countdown: 3 }])
    expect(argumentsAndOptions([null, { countdown: 3 }])).toEqual([[], { countdown: 3 }])
    expect(argumentsAndOptions([{ countdown: 3 }])).toEqual([[], { countdown: 3 }])
    expect(argumentsAndOptions([])).toEqual([[], undefined])
    expect(() => argumentsAndOptions([{ countdown: 3 }, [1]])).toThrow(
      /Arguments are a list, options an object/,
    )
  })

  it.each([
    ['queue', 42],
    ['queue', {}],
    ['exchange', true],
    ['routingKey', 42],
    ['compression', {}],
    ['headers', 'x'],
    ['headers', new Map()],
    ['properties', [1]],
    ['stamps', 42],
    ['link', 'proj.add'],
    ['link', () => 1],
    ['linkError', [{}]],
    ['chord', 42],
    ['chain', {}],
    ['retry', 'yes'],
    ['retryPolicy', 42],
    ['publishTimeoutMs', 0],
    ['publishTimeoutMs', NaN],
    ['ignoreResult', 1],
    ['shadow', 42],
    ['argsrepr', {}],
    ['replyTo', 42],
    ['rootId', 42],
    ['deliveryMode', 7],
    ['groupIndex', -1],
    ['signal', {}],
  ])('TASK-130: %s=%j is refused', (key, value) => {
    expect(() => toSignatureOptions({ [key]: value })).toThrow(
      expect.objectContaining({ code: 'CT_CONFIGURATION', message: expect.stringContaining(`"${key}"`) }),
    )
  })

  it('TASK-130: a retry policy is checked as the setting is', () => {
    expect(() => toSignatureOptions({ retryPolicy: { maxretries: 1 } as never })).toThrow(/unknown key/)
    expect(() => toSignatureOptions({ retryPolicy: { maxRetries: NaN } })).toThrow(/not below 0/)
    expect(toSignatureOptions({ retryPolicy: { maxRetries: null, intervalStart: 1 } })).toEqual({
      retry_policy: { max_retries: null, interval_start: 1 },
    })
  })

  it('TASK-130: what fits is kept', async () => {
    await using captured = capturedApp()
    const { app } = captured
    const add = app.task('proj.add', (x: number) => x)
    const dict = { task: 'py.add', args: [], kwargs: {}, options: {}, subtask_type: null, immutable: false }
    const raw = RawJson.from(JSON.stringify(dict))
    const queue = new Queue('q')
    expect(
      toSignatureOptions({ queue, link: [add, add.s(1), dict, raw], linkError: dict, ignoreResult: false }),
    ).toMatchObject({
      queue,
      link: [{ task: 'proj.add' }, { task: 'proj.add' }, dict, raw],
      link_error: [dict],
    })
  })
})
