import type { BrokerConnection, Settlement } from '@ct/contracts'
import { recordingLogger } from '@ct/testing'
import { expect, it } from 'vitest'
import { OpenRequests } from '../parts/open-requests.ts'
import { Pauses } from '../pauses.ts'
import { WorkerState, type Request } from '../request/index.ts'
import type { TraceLog } from '../trace/index.ts'
import { HoldLimit } from './hold-limit.ts'

it.each([
  ['acknowledged when the broker has its copy', true, 'ack'],
  ['given back when the broker does not take it', false, 'release'],
])(
  'ROUTE-41, WORK-15: what is on its way to the broker until its ETA when the worker stops is %s',
  async (_what, taken, expected) => {
    const state = new WorkerState()
    const settlements: string[] = []
    const request = {
      label: 't[1]',
      logFields: {},
      phase: 'received',
      delivery: {},
      settle: ({ action }: Settlement) => {
        settlements.push(action)
        return Promise.resolve()
      },
    } as unknown as Request
    state.open.add(request)
    const requests = new OpenRequests({
      state,
      credit: { finished: () => undefined, idle: () => undefined } as never,
      unconfirmed: { ended: () => undefined } as never,
      lostSettlements: {} as never,
      capabilities: {} as never,
      pauses: new Pauses(),
      isConnected: () => true,
    })
    const posted = Promise.withResolvers<boolean>()
    const limit = new HoldLimit({
      capabilities: { maxHoldMs: 1000, nativeDelay: { maxMs: 1e9 } } as never,
      state,
      log: { ...recordingLogger(), infoEnabled: true, debugEnabled: true } as TraceLog,
      now: () => 0,
      connection: () => ({ postpone: () => posted.promise }) as unknown as BrokerConnection,
      isStopping: () => true,
      release: (one) => requests.release(one),
      onSettled: (one, error) => void requests.ended(one, error),
    })
    expect(limit.postpones(request, 10_000, () => settlements.push('held'))).toBe(true)
    requests.releaseUnstarted()
    expect(settlements).toEqual([])
    posted.resolve(taken)
    await requests.drained()
    expect(settlements).toEqual([expected])
  },
)
