import { tracingChannel, type TracingChannelSubscribers } from 'node:diagnostics_channel'
import { readFileSync } from 'node:fs'
import { BrokerUnavailableError } from '@ct/contracts'
import { afterEach, describe, expect, it } from 'vitest'
import { capturedApp } from '../../test/captured-app.ts'
import { ReconnectingConnection } from '../index.ts'
import { channelTable, diagnostics, type ConnectionOpenMessage, type TaskPublishMessage } from './index.ts'

let unsubscribe = (): void => {}
afterEach(() => unsubscribe())

function watch<M extends object>(
  channel: {
    subscribe(s: TracingChannelSubscribers<M>): void
    unsubscribe(s: TracingChannelSubscribers<M>): void
  },
  seen: (moment: string, message: M) => void,
): void {
  const moments = ['start', 'end', 'asyncStart', 'asyncEnd', 'error'] as const
  const all = Object.fromEntries(
    moments.map((moment) => [moment, (message: M) => seen(moment, message)]),
  ) as unknown as TracingChannelSubscribers<M>
  channel.subscribe(all)
  unsubscribe = () => channel.unsubscribe(all)
}

describe('diagnostics channels', () => {
  it('are those that the page lists, with the same fields', () => {
    const page = readFileSync(new URL('../../../../docs/reference/diagnostics.md', import.meta.url), 'utf8')
    const rows = [...page.matchAll(/^\| `(?<name>ct:[^`]+)` \| (?<kind>\w+) \| (?<fields>.+) \|$/gm)].map(
      ({ groups }) => [
        groups!['name']!,
        {
          kind: groups!['kind'],
          fields: groups!['fields']!.split(', ').map((field) => field.replaceAll('`', '')),
        },
      ],
    )
    expect(Object.fromEntries(rows)).toEqual(channelTable)
  })

  it('are those that are exported, each of its kind', () => {
    const names = Object.values(diagnostics).map((one) =>
      'start' in one ? String(one.start.name).replace(/^tracing:(.*):start$/, '$1') : String(one.name),
    )
    expect(names.toSorted()).toEqual(Object.keys(channelTable).toSorted())
    for (const [name, { kind }] of Object.entries(channelTable))
      expect(
        Object.values(diagnostics).some((one) =>
          'start' in one ? one.start === tracingChannel(name).start : one.name === name && kind === 'plain',
        ),
      ).toBe(true)
  })

  it('ct:task:publish: what a subscriber puts into the headers is sent; one call and many', async () => {
    await using captured = capturedApp()
    const { app, sent } = captured
    const add = app.task('proj.add', (x: number, y: number) => x + y)
    const seen: string[] = []
    watch<TaskPublishMessage>(diagnostics.taskPublish, (moment, message) => {
      seen.push(`${moment} ${message.task} ${message.routingKey} ${String(message.headers['x-seen'])}`)
      if (moment === 'start') message.headers['x-seen'] = message.taskId
    })
    const { id } = await add.applyAsync([1, 1])
    expect(seen).toEqual([
      'start proj.add celery undefined',
      ...['end', 'asyncStart', 'asyncEnd'].map((moment) => `${moment} proj.add celery ${id}`),
    ])
    await app.sendMany([add.s(2, 2), add.s(3, 3)])
    expect(seen.filter((line) => line.startsWith('asyncEnd'))).toHaveLength(3)
    const ids = (await sent()).map(({ headers }) => [headers['x-seen'], headers['id']])
    expect(ids).toHaveLength(3)
    for (const [marked, own] of ids) expect(marked).toBe(own)
    unsubscribe()
    await add.applyAsync([4, 4])
    expect((await sent()).at(-1)?.headers).not.toHaveProperty('x-seen')
  })

  it('ct:task:publish: what cannot be sent ends with its error', async () => {
    await using captured = capturedApp()
    const seen: unknown[] = []
    watch<TaskPublishMessage>(diagnostics.taskPublish, (moment, { error }) => {
      seen.push([moment, (error as { code?: string } | undefined)?.code])
    })
    const aborted = AbortSignal.abort()
    await expect(captured.app.sendTask('proj.add', { signal: aborted })).rejects.toMatchObject({
      code: 'CT_ABORTED',
    })
    expect(seen).toEqual([
      ...[
        ['start', undefined],
        ['end', undefined],
      ],
      ...['error', 'asyncStart', 'asyncEnd'].map((moment) => [moment, 'CT_ABORTED']),
    ])
  })

  it('ct:connection:open and ct:connection:lost: attempts, what they come to, and the loss', async () => {
    const seen: string[] = []
    watch<ConnectionOpenMessage>(diagnostics.connectionOpen, (moment, { to, attempt, error }) => {
      seen.push(`${moment} ${to} ${attempt} ${error instanceof Error ? error.message : ''}`.trim())
    })
    const lost = (message: unknown): void => void seen.push(`lost ${(message as { to: string }).to}`)
    diagnostics.connectionLost.subscribe(lost)
    let attempts = 0
    await using connection = new ReconnectingConnection({
      describe: () => 'the broker x://',
      backoff: { initialMs: 1 },
      connect: () => {
        attempts += 1
        if (attempts === 1) return Promise.reject(new BrokerUnavailableError('away'))
        return Promise.resolve({
          close: () => Promise.resolve(),
          [Symbol.asyncDispose]: () => Promise.resolve(),
        })
      },
    })
    const ready = await connection.whenReady()
    connection.markLost(ready, new Error('gone'))
    diagnostics.connectionLost.unsubscribe(lost)
    expect(seen.filter((line) => !line.startsWith('asyncStart') && !line.startsWith('end'))).toEqual([
      ...['start the broker x:// 1', 'error the broker x:// 1 away', 'asyncEnd the broker x:// 1 away'],
      ...['start the broker x:// 2', 'asyncEnd the broker x:// 2', 'lost the broker x://'],
    ])
  })
})
