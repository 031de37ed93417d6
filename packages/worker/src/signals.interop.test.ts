/** The signals of a ct worker and of a Python one: the same ones, in the same order, with the same arguments. */
import { tryPython, type PythonClient, type PythonWorker } from '@ct-tools/interop'
import { currentTask, type App, type SignalName } from '@ct/client'
import { Ignore, Reject } from '@ct/contracts'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { PythonFleet } from '../test/python-fleet.ts'
import type { Worker } from './index.ts'

const ready = await tryPython('5.7')
const ofTasks = [
  ...['task_received', 'task_prerun', 'task_postrun', 'task_success', 'task_retry', 'task_failure'],
  ...['task_internal_error', 'task_revoked', 'task_rejected', 'task_unknown'],
]
const ofWorkers = [
  ...['celeryd_init', 'celeryd_after_setup', 'worker_init', 'worker_process_init', 'worker_ready'],
  ...['worker_shutting_down', 'worker_shutdown'],
]

interface Seen {
  readonly signal: string
  readonly id: string | null
  readonly sender: string | null
  readonly state: string | null
  readonly fields: readonly string[]
}

const setup = `
from celery import current_task, signals as S
from celery.exceptions import Ignore, Reject

def watch(name):
    def handler(sender=None, **kw):
        kw.pop('signal', None)
        request = kw.get('request')
        task_id = kw.get('task_id') or kw.get('id') or getattr(request, 'id', None)
        if name == 'task_success':
            task_id = current_task.request.id
        record(signal=name, id=task_id, state=kw.get('state'), fields=sorted(kw),
               sender=getattr(sender, 'name', None) if name.startswith('task_') else None)
    getattr(S, name).connect(handler, weak=False)

for name in ${JSON.stringify([...ofTasks, ...ofWorkers])}:
    watch(name)

@app.task(name='sig.add')
def sig_add(x, y):
    return x + y

@app.task(name='sig.fail')
def sig_fail():
    raise ValueError('broken')

@app.task(name='sig.retry', bind=True)
def sig_retry(self):
    if self.request.retries == 0:
        raise self.retry(countdown=0, exc=KeyError('k'))
    return 'done'

@app.task(name='sig.ignore')
def sig_ignore():
    raise Ignore()

@app.task(name='sig.reject', acks_late=True)
def sig_reject():
    raise Reject('no', requeue=False)

@app.task(name='sig.requeue', bind=True, acks_late=True)
def sig_requeue(self):
    if not self.request.delivery_info['redelivered']:
        raise Reject('once more', requeue=True)
`

const camel = (name: string): string =>
  name.replaceAll(/_([a-z])/g, (_, letter: string) => letter.toUpperCase())

describe.skipIf(!ready)('signals with Celery 5.7 as the judge', () => {
  let fleet: PythonFleet
  let app: App
  let worker: Worker
  let peer: PythonWorker
  let client: PythonClient
  const own: Seen[] = []

  const watch = (name: string): void => {
    app.signals[camel(name) as SignalName].connect((given: object) => {
      const { sender, ...fields } = given as Readonly<Record<string, unknown>>
      const request = fields['request'] as { readonly id: string } | undefined
      const id = fields['taskId'] ?? fields['id'] ?? request?.id
      own.push({
        signal: name,
        id: (name === 'task_success' ? currentTask()!.request.id : (id ?? null)) as string | null,
        sender: name.startsWith('task_') ? ((sender as { name?: string }).name ?? null) : null,
        state: (fields['state'] ?? null) as string | null,
        fields: Object.keys(fields).toSorted(),
      })
    })
  }
  const theirs = (): readonly Seen[] =>
    (peer.records as unknown as Seen[]).map((seen) => ({
      ...seen,
      fields: seen.fields.map(camel).toSorted(),
    }))

  beforeAll(async () => {
    fleet = await PythonFleet.open('redis', { name: 'sig' })
    app = fleet.app
    for (const name of [...ofTasks, ...ofWorkers]) watch(name)
    app.task('sig.add', (x: number, y: number) => x + y)
    app.task('sig.fail', () => {
      throw new RangeError('broken')
    })
    app.task('sig.retry', { bind: true }, (task) => {
      if (task.request.retries === 0) throw task.retry({ countdown: 0, exc: new Error('k') })
      return 'done'
    })
    app.task('sig.ignore', () => {
      throw new Ignore()
    })
    app.task('sig.reject', { acksLate: true }, () => {
      throw new Reject('no', false)
    })
    app.task('sig.requeue', { bind: true, acksLate: true }, (task) => {
      if (!task.request.deliveryInfo.redelivered) throw new Reject('once more', true)
    })
    ;[client, peer, worker] = await Promise.all([
      fleet.client(),
      fleet.peer({ queues: ['py'], pool: 'solo', setup }),
      fleet.work({ queues: ['ct'], signals: true, pool: 'solo' }),
    ])
  })
  afterAll(() => fleet?.close())

  /** What both saw of a task, when both have seen as much as the other. */
  async function compare(
    send: (queue: string) => Promise<string | null>,
    isLast: (seen: Seen) => boolean,
  ): Promise<readonly [readonly object[], readonly object[]]> {
    const both: (readonly object[])[] = []
    for (const [queue, all] of [
      ['py', theirs],
      ['ct', (): readonly Seen[] => own],
    ] as const) {
      const before = all().length
      const id = await send(queue)
      const of = (): readonly Seen[] =>
        all()
          .slice(before)
          .filter((seen) => seen.id === id)
      for (let turn = 0; turn < 400 && !of().some(isLast); turn++) {
        await new Promise((resolve) => {
          setTimeout(resolve, 25)
        })
      }
      both.push(of().map((seen) => ({ ...seen, id: null })))
    }
    return [both[1]!, both[0]!]
  }

  const send =
    (name: string, args: readonly unknown[] = []) =>
    (queue: string) =>
      client.send(name, [...args], {}, { queue })

  it.each([
    ['SIG-4, SIG-5, SIG-6, SIG-7: success', send('sig.add', [1, 2]), 'SUCCESS'],
    ['SIG-9: failure', send('sig.fail'), 'FAILURE'],
    ['SIG-6: ignored', send('sig.ignore'), 'IGNORED'],
  ])('%s', async (_, sent, state) => {
    const [ct, celery] = await compare(sent, (seen) => seen.state === state)
    expect(celery.length).toBeGreaterThan(2)
    expect(ct).toEqual(celery)
  })

  it('SIG-8: a retry, then success', async () => {
    const [ct, celery] = await compare(send('sig.retry'), (seen) => seen.state === 'SUCCESS')
    const parts = (all: readonly object[]): readonly (readonly object[])[] => {
      const seen = all as readonly Seen[]
      // In ct the copy may run while the first run is still being ended.
      const ofRetry = ({ signal, state }: Seen): boolean => signal === 'task_retry' || state === 'RETRY'
      return [seen.filter(ofRetry), seen.filter((one) => !ofRetry(one))]
    }
    expect(celery).toHaveLength(8)
    expect(parts(ct)[0]).toEqual(parts(celery)[0])
    const names = (all: readonly object[]): readonly string[] =>
      (all as readonly Seen[]).map(({ signal }) => signal)
    expect(names(parts(ct)[1]!).toSorted()).toEqual(names(parts(celery)[1]!).toSorted())
    expect(parts(ct)[1]!.slice(-2)).toEqual(parts(celery)[1]!.slice(-2))
  })

  it('SIG-6, SIG-9: rejected; rejected and requeued', async () => {
    const [ct, celery] = await compare(send('sig.reject'), (seen) => seen.signal === 'task_failure')
    expect(celery.map((seen) => (seen as Seen).signal)).toContain('task_failure')
    expect(ct).toEqual(celery)
    const [again, theirsAgain] = await compare(send('sig.requeue'), (seen) => seen.state === 'SUCCESS')
    expect(again).toEqual(theirsAgain)
  })

  it('SIG-11: expired and revoked', async () => {
    const [ct, celery] = await compare(
      (queue) =>
        client.exec(
          'from datetime import datetime\napp.send_task("sig.add", [1, 1], queue=queue, expires=datetime(2001, 1, 1)).id',
          { queue },
        ) as Promise<string>,
      (seen) => seen.signal === 'task_revoked',
    )
    expect(celery).toHaveLength(1)
    expect(ct).toEqual(celery)
  })

  it('SIG-12, SIG-13: an unknown task, and a message that is none', async () => {
    const [ct, celery] = await compare(send('sig.nobody'), (seen) => seen.signal === 'task_unknown')
    expect(celery).toHaveLength(1)
    expect(ct).toEqual(celery)
    const [none, theirNone] = await compare(
      async (queue) => {
        await client.exec(
          'with app.connection_for_write() as c:\n    c.Producer().publish({"x": 1}, routing_key=queue, serializer="json")',
          { queue },
        )
        return null
      },
      (seen) => seen.signal === 'task_rejected',
    )
    expect(theirNone).toHaveLength(1)
    expect(none).toEqual(theirNone)
  })

  it('SIG-1, SIG-2, SIG-3: around a publish', async () => {
    const celery = (await client.exec(`
from celery import signals as S
seen = []
def watch(name):
    def handler(sender=None, **kw):
        kw.pop('signal')
        seen.append([name, sender, sorted(kw)])
    getattr(S, name).connect(handler, weak=False, dispatch_uid=name)
for name in ('before_task_publish', 'after_task_publish', 'task_sent'):
    watch(name)
app.send_task('sig.elsewhere', [1], queue='nowhere')
for name in ('before_task_publish', 'after_task_publish', 'task_sent'):
    getattr(S, name).disconnect(dispatch_uid=name)
seen`)) as readonly [string, string, string[]][]
    const ct: unknown[] = []
    const onceDone: (() => void)[] = []
    for (const name of ['before_task_publish', 'after_task_publish', 'task_sent']) {
      const stop = app.signals[camel(name) as 'taskSent'].connect(({ sender, ...fields }) =>
        ct.push([name, sender, Object.keys(fields).toSorted()]),
      )
      onceDone.push(stop)
    }
    await app.sendTask('sig.elsewhere', { args: [1], queue: 'nowhere' })
    for (const stop of onceDone.splice(0)) stop()
    expect(ct).toEqual(celery.map(([name, sender, fields]) => [name, sender, fields.map(camel).toSorted()]))
  })

  it('SIG-14, SIG-15, SIG-17, SIG-19, SIG-21, SIG-22, SIG-23, D57-131: the life of a worker', async () => {
    process.emit('SIGTERM', 'SIGTERM')
    await Promise.all([worker.finished(), peer.stop()])
    // Celery's solo pool sends worker_process_init when it is made, its other pools when they start, as all of ct's do.
    const life = (all: readonly Seen[]): readonly object[] =>
      all
        .filter(({ signal }) => ofWorkers.includes(signal) && signal !== 'worker_process_init')
        .map(({ signal, fields }) => ({ signal, fields }))
    expect(life(theirs())).toHaveLength(ofWorkers.length - 1)
    for (const all of [own, theirs()])
      expect(all.filter(({ signal }) => signal === 'worker_process_init')).toHaveLength(1)
    expect(life(own)).toEqual(life(theirs()))
  })
})
