import { describe, expectTypeOf, it } from 'vitest'
import type { Control, OkReply, RequestInfo } from '../mailbox/index.ts'
import type { RemoteError } from '@ct/contracts'
import { AsyncResult, EagerResult, GroupResult } from './index.ts'
import type { ResultContext } from './index.ts'

declare const context: ResultContext
declare const control: Control

describe('types of results', () => {
  it('RES-11, PAIN-13: get() gives the task’s type; the handle itself is not awaitable', async () => {
    const handle = new AsyncResult<number>('a', context)
    expectTypeOf(handle.get()).resolves.toEqualTypeOf<number>()
    expectTypeOf(await handle).toEqualTypeOf<AsyncResult<number>>()
    expectTypeOf(
      new EagerResult<string>('a', { state: 'SUCCESS', value: 'x' }, context).get(),
    ).resolves.toEqualTypeOf<string>()
    // @ts-expect-error durations are milliseconds and say so
    void handle.get({ timeout: 3 })
  })

  it('RES-44, PAIN-13: a group gives an array of its members’ type', () => {
    const group = new GroupResult<number>('g', [new AsyncResult<number>('a', context)], context)
    expectTypeOf(group.get()).resolves.toEqualTypeOf<number[]>()
    expectTypeOf(group.iterate()).toExtend<AsyncIterable<readonly [string, number]>>()
  })

  it('errors are told apart by their code', () => {
    expectTypeOf<RemoteError['code']>().toExtend<string>()
    expectTypeOf<RemoteError['excType']>().toEqualTypeOf<string>()
  })
})

describe('types of remote control', () => {
  it('CTRL-12: answers by node, or of the one node asked', () => {
    expectTypeOf(control.inspect().ping()).resolves.toEqualTypeOf<Readonly<
      Record<string, OkReply<'pong'>>
    > | null>()
    expectTypeOf(control.inspect({ destination: ['a'] }).active()).resolves.toEqualTypeOf<Readonly<
      Record<string, readonly RequestInfo[]>
    > | null>()
    expectTypeOf(control.inspect({ destination: 'a@h' }).active()).resolves.toEqualTypeOf<
      readonly RequestInfo[] | null
    >()
    // @ts-expect-error a list of node names
    void control.shutdown({ destination: 'a@h' })
  })
})
