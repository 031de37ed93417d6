import { BrokerError, BrokerUnavailableError, type Settlement } from '@ct/contracts'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { Pauses } from '../pauses.ts'
import { WorkerState, type Request } from '../request/index.ts'
import { OpenRequests } from './open-requests.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

const busy = (): BrokerError => new BrokerError('out of memory', { retryable: true })

/** `settled`: what the broker answers, refusals for the moment. */
function scene(settleAcrossConnections: boolean, ...answers: (Error | undefined)[]) {
  const state = new WorkerState()
  const told: string[] = []
  const settlements: Settlement[] = []
  const request = {
    label: 't[1]',
    phase: 'done',
    acknowledged: true,
    confirmed: false,
    settlement: { action: 'ack' },
    delivery: {
      settled: false,
      settle: (settlement: Settlement) => {
        settlements.push(settlement)
        const answer = answers.shift()
        return answer === undefined ? Promise.resolve() : Promise.reject(answer)
      },
    },
  } as unknown as Request
  state.open.add(request)
  let finished = 0
  const requests = new OpenRequests({
    state,
    credit: { finished: () => (finished += 1), idle: () => undefined } as never,
    unconfirmed: { add: () => undefined, ended: () => undefined } as never,
    lostSettlements: { tell: (label: string) => told.push(label) } as never,
    capabilities: { settleAcrossConnections } as never,
    pauses: new Pauses(),
    isConnected: () => true,
  })
  return { state, told, settlements, request, requests, finished: () => finished }
}

it.each([true, false])(
  'B11: a settlement that is refused for the moment is made again (settleAcrossConnections %s)',
  async (across) => {
    const { requests, request, state, settlements, told } = scene(across, busy(), undefined)
    const drained = requests.drained()
    requests.ended(request, busy())
    await vi.advanceTimersByTimeAsync(2500)
    await drained
    expect(settlements).toEqual([{ action: 'ack' }, { action: 'ack' }])
    expect([state.open.size, request.confirmed, told]).toEqual([0, true, []])
  },
)

it('B11: until the worker gives up', async () => {
  const { requests, request, state, settlements, told } = scene(true)
  requests.ended(request, busy())
  requests.expectNoConnection()
  await vi.advanceTimersByTimeAsync(5000)
  expect([settlements, state.open.size, told]).toEqual([[], 0, ['t[1]']])
})

it('what has ended once ends no second time', () => {
  const { requests, request, finished } = scene(false)
  Object.assign(request.delivery, { settled: true })
  requests.ended(request)
  requests.ended(request, new BrokerUnavailableError('cut'))
  expect(finished()).toBe(1)
})
