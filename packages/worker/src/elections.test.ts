import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { Elections } from './elections.ts'

interface Event {
  readonly type: string
  readonly [field: string]: unknown
}

/** Workers on one broadcast line, each of which hears everything in one order, its own words included. */
class Party {
  readonly line: Event[] = []
  readonly log: string[] = []
  readonly members = new Map<string, Elections>()
  #clock = 0

  join(
    hostname: string,
    others: number,
    handlers: Record<string, (action: unknown) => unknown> = {},
  ): Elections {
    const member = new Elections({
      self: `${hostname}.1`,
      send: (type, fields) => this.line.push({ type, hostname, pid: 1, clock: ++this.#clock, ...fields }),
      others: () => others,
      handlers: new Map(Object.entries(handlers)),
      logger: () => ({
        info: (message) => this.log.push(`${hostname}: ${message}`),
        error: (message) => this.log.push(`${hostname}: ${message}`),
      }),
    })
    this.members.set(hostname, member)
    return member
  }

  /** Delivers until nobody says anything more. */
  talk(): void {
    for (let event = this.line.shift(); event !== undefined; event = this.line.shift()) {
      for (const member of this.members.values()) {
        if (event.type === 'worker-elect') member.onVote(event)
        else member.onAck(event)
      }
    }
  }
}

describe('elections', () => {
  let party: Party
  let done: string[]
  beforeEach(() => {
    party = new Party()
    done = []
    vi.useFakeTimers()
  })
  afterEach(() => {
    for (const member of party.members.values()) member.close()
    vi.useRealTimers()
  })
  const acts = (name: string) => ({ job: (action: unknown) => done.push(`${name} ${String(action)}`) })

  it('WORK-97, EVT-30: one of several acts, and all agree who', () => {
    for (const name of ['a@h', 'b@h', 'c@h']) party.join(name, 2, acts(name))
    for (const member of party.members.values()) member.stand('e1', 'job', 'go')
    party.talk()
    expect(done).toEqual(['a@h go'])
    expect(party.log.toSorted()).toEqual([
      'a@h: I won the election e1',
      'b@h: node a@h.1 elected for e1',
      'c@h: node a@h.1 elected for e1',
    ])
  })

  it('WORK-97: a worker that is alone wins', () => {
    party.join('a@h', 0, acts('a@h')).stand('e1', 'job', 1)
    party.talk()
    expect(done).toEqual(['a@h 1'])
  })

  it('WORK-97: an ack before any vote decides nothing, and what is malformed changes nothing', () => {
    const member = party.join('a@h', 0, acts('a@h'))
    member.stand('e1', 'job', 1)
    party.line.length = 0
    member.onAck({ id: 'e1' })
    member.onAck({ id: 5 })
    member.onVote({ id: 'e1', clock: 'early', hostname: 'x', topic: 'job' })
    expect(done).toEqual([])
    member.onVote({ id: 'e1', clock: 9, hostname: 'a@h', pid: 1, topic: 'job', action: 2 })
    party.talk()
    expect(done).toEqual(['a@h 2'])
  })

  it('WORK-97: acks wait for the votes of all others, at most half a second', () => {
    const member = party.join('a@h', 1)
    const vote = (hostname: string, clock: number) =>
      member.onVote({ id: 'e1', clock, hostname, pid: 1, topic: 'job' })
    vote('b@h', 3)
    expect(party.line).toEqual([])
    vote('a@h', 4)
    expect(party.line.map(({ type }) => type)).toEqual(['worker-elect-ack', 'worker-elect-ack'])
    member.onVote({ id: 'e2', clock: 5, hostname: 'b@h', pid: 1, topic: 'job' })
    vi.advanceTimersByTime(499)
    expect(party.line).toHaveLength(2)
    vi.advanceTimersByTime(1)
    expect(party.line).toHaveLength(3)
  })

  it('WORK-97: votes of elections that were never called here are acknowledged and forgotten in time', () => {
    const member = party.join('a@h', 1, acts('a@h'))
    for (let index = 0; index < 3000; index++)
      member.onVote({ id: `e${index}`, clock: 1, hostname: 'x', pid: 1, topic: 'job' })
    vi.advanceTimersByTime(500)
    expect(party.line).toHaveLength(3000)
    member.onAck({ id: 'e2999' })
    expect(done).toEqual([])
  })

  it('WORK-97: a topic nobody knows, and a handler that throws, cost a line', async () => {
    const member = party.join('a@h', 0, {
      bad: () => {
        throw new Error('no')
      },
    })
    member.stand('e1', 'unknown', null)
    member.stand('e2', 'bad', null)
    party.talk()
    await Promise.resolve()
    await Promise.resolve()
    expect(party.log.filter((line) => !line.includes('won'))).toEqual([
      'a@h: Nobody here knows what to do for the election topic unknown.',
      'a@h: What the election e2 was about failed.',
    ])
  })
})
