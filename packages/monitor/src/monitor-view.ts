/**
 * The screen: who is there, what they do, and about one task what is known. Keys are those of `celery events` (EVT-52).
 *
 *   tasks ◄─w─► workers        tasks ─i, t, r─► details ─any key─► tasks
 *   tasks ─c─► "revoke?" ─y─► revoked   tasks ─l─► rate limit: text ─Enter─► sent
 */
import type { Control, State, TaskRecord, WorkerRecord } from '@ct/client'
import { Box, Text, useInput, useWindowSize, type Key } from 'ink'
import { createElement as h, useEffect, useState, type ReactElement } from 'react'
import { clock, colourOf, fit } from './text.ts'

export interface MonitorViewProps {
  readonly state: State
  readonly control: Pick<Control, 'revoke' | 'rateLimit'>
  readonly onQuit: () => void
  /** Milliseconds between screens. Default 500. */
  readonly refreshMs?: number
}

type Screen = 'tasks' | 'workers' | 'info' | 'traceback' | 'result' | 'revoke' | 'rate-limit'

export function MonitorView({ state, control, onQuit, refreshMs = 500 }: MonitorViewProps): ReactElement {
  const { columns, rows } = useWindowSize()
  const [, setTick] = useState(0)
  const [screen, setScreen] = useState<Screen>('tasks')
  const [selected, setSelected] = useState<string>()
  const [opened, setOpened] = useState<TaskRecord>()
  const [typed, setTyped] = useState('')
  const [said, setSaid] = useState('')
  useEffect(() => {
    const timer = setInterval(() => setTick((tick) => tick + 1), refreshMs)
    return () => clearInterval(timer)
  }, [refreshMs])

  const height = Math.max(1, rows - 7)
  const tasks = state.tasksByTime({ limit: 500 })
  const at = Math.max(
    0,
    tasks.findIndex(({ uuid }) => uuid === selected),
  )
  const current = tasks[at]
  // Others come and push it off the list while somebody reads, or is asked: what is shown and revoked is what was chosen.
  const subject =
    opened === undefined || screen === 'tasks' ? current : (state.tasks.get(opened.uuid) ?? opened)

  const ask = (doing: Promise<unknown>, done: string): void => {
    void (async () => {
      const outcome = await doing.then(
        () => done,
        (error: unknown) => (error instanceof Error ? error.message : String(error)),
      )
      setSaid(outcome)
    })()
  }
  const open = (next: Screen, task: TaskRecord): void => {
    setSelected(task.uuid)
    setOpened(task)
    setScreen(next)
  }
  const onTask = (input: string, key: Key): void => {
    if (key.downArrow || input === 'j') setSelected(tasks[Math.min(tasks.length - 1, at + 1)]?.uuid)
    else if (key.upArrow || input === 'k') setSelected(tasks[Math.max(0, at - 1)]?.uuid)
    else if (current === undefined) return
    else if (input === 'i' || key.return) open('info', current)
    else if (input === 't') open('traceback', current)
    else if (input === 'r') open('result', current)
    else if (input === 'c') open('revoke', current)
    else if (input === 'l' && current.name !== null) {
      setTyped('')
      open('rate-limit', current)
    }
  }
  const onRateLimit = (input: string, key: Key): void => {
    if (key.escape) setScreen('tasks')
    else if (key.backspace || key.delete) setTyped(typed.slice(0, -1))
    else if (key.return) {
      setScreen('tasks')
      const name = subject?.name ?? null
      if (name !== null && typed !== '')
        ask(control.rateLimit(name, typed), `${name}: ${typed} sent to all workers.`)
    } else setTyped(typed + input)
  }
  useInput((input, key) => {
    if (key.ctrl && input === 'c') onQuit()
    else if (screen === 'rate-limit') onRateLimit(input, key)
    else if (screen === 'revoke') {
      setScreen('tasks')
      if (input === 'y' && subject !== undefined)
        ask(control.revoke(subject.uuid, { terminate: true }), `${subject.uuid} is revoked.`)
    } else if (input === 'q') onQuit()
    else if (screen === 'tasks' && input === 'w') setScreen('workers')
    else if (screen === 'tasks') onTask(input, key)
    else setScreen('tasks')
  })

  return h(
    Box,
    { flexDirection: 'column', width: columns },
    h(Head, { state }),
    screen === 'workers'
      ? h(Workers, { workers: [...state.workers.values()], height, columns })
      : screen === 'info' || screen === 'traceback' || screen === 'result'
        ? h(Details, { task: subject, what: screen, height, columns })
        : h(Tasks, { tasks, at, height, columns }),
    h(Foot, { screen, typed, said, task: subject, columns }),
  )
}

function Head({ state }: { readonly state: State }): ReactElement {
  const workers = [...state.workers.values()]
  const alive = workers.filter((worker) => worker.alive)
  const running = alive.reduce((sum, { active }) => sum + (active ?? 0), 0)
  return h(
    Box,
    { gap: 3 },
    h(Text, { bold: true }, 'ct events'),
    h(
      Text,
      { color: alive.length > 0 ? 'green' : 'red' },
      `${alive.length} of ${workers.length} workers online`,
    ),
    h(Text, null, `${running} running`),
    h(Text, null, `${state.taskCount} tasks received`),
    h(Text, { dimColor: true }, `${state.eventCount} events`),
  )
}

function Tasks({
  tasks,
  at,
  height,
  columns,
}: {
  readonly tasks: readonly TaskRecord[]
  readonly at: number
  readonly height: number
  readonly columns: number
}): ReactElement {
  const first = Math.max(0, Math.min(at - Math.floor(height / 2), tasks.length - height))
  const wide = Math.max(10, Math.floor((columns - 36 - 8 - 9 - 4) / 2))
  const row = (cells: readonly string[]): string =>
    [fit(cells[0]!, 36), fit(cells[1]!, wide), fit(cells[2]!, wide), fit(cells[3]!, 8)].join(' ')
  return h(
    Box,
    { flexDirection: 'column', height: height + 1 },
    h(Text, { dimColor: true, key: 'head' }, `${row(['UUID', 'TASK', 'WORKER', 'TIME'])} STATE`),
    ...tasks
      .slice(first, first + height)
      .map((task, index) =>
        h(
          Text,
          { key: task.uuid, inverse: first + index === at, wrap: 'truncate' },
          `${row([task.uuid, task.name ?? '', task.worker?.hostname ?? task.client ?? '', clock(task.timestamp)])} `,
          h(Text, { color: colourOf(task.state) }, fit(task.state, 9)),
        ),
      ),
  )
}

function Workers({
  workers,
  height,
  columns,
}: {
  readonly workers: readonly WorkerRecord[]
  readonly height: number
  readonly columns: number
}): ReactElement {
  const wide = Math.max(10, columns - 60)
  const row = (cells: readonly string[]): string =>
    [
      fit(cells[0]!, wide),
      fit(cells[1]!, 8),
      fit(cells[2]!, 10),
      fit(cells[3]!, 18),
      fit(cells[4]!, 18),
    ].join(' ')
  return h(
    Box,
    { flexDirection: 'column', height: height + 1 },
    h(
      Text,
      { dimColor: true, key: 'head' },
      `${row(['WORKER', 'ACTIVE', 'PROCESSED', 'LOAD', 'SOFTWARE'])} `,
    ),
    ...workers
      .slice(0, height)
      .map((worker) =>
        h(
          Text,
          { key: worker.hostname, wrap: 'truncate', color: worker.alive ? 'green' : 'red' },
          row([
            worker.hostname,
            String(worker.active ?? '-'),
            String(worker.processed ?? '-'),
            worker.loadavg?.join(' ') ?? '-',
            [worker.swIdent, worker.swVer].filter((part) => part !== null).join(' '),
          ]),
        ),
      ),
  )
}

function Details({
  task,
  what,
  height,
  columns,
}: {
  readonly task: TaskRecord | undefined
  readonly what: 'info' | 'traceback' | 'result'
  readonly height: number
  readonly columns: number
}): ReactElement {
  const lines =
    task === undefined
      ? ['This task was forgotten meanwhile.']
      : what === 'traceback'
        ? (task.traceback ?? 'No traceback.').split('\n')
        : what === 'result'
          ? (task.result ?? task.exception ?? 'No result yet.').split('\n')
          : [
              `uuid: ${task.uuid}`,
              `name: ${task.name ?? '-'}`,
              `state: ${task.state}`,
              `worker: ${task.worker?.hostname ?? '-'}`,
              ...Object.entries(task.info()).map(([name, value]) => `${name}: ${String(value)}`),
              ...task.children.map((child) => `child: ${child.uuid} ${child.name ?? ''}`),
            ]
  return h(
    Box,
    { flexDirection: 'column', height: height + 1 },
    ...lines
      .slice(0, height)
      .map((line, index) => h(Text, { key: index, wrap: 'truncate' }, fit(line, columns))),
  )
}

function Foot({
  screen,
  typed,
  said,
  task,
  columns,
}: {
  readonly screen: Screen
  readonly typed: string
  readonly said: string
  readonly task: TaskRecord | undefined
  readonly columns: number
}): ReactElement {
  const keys =
    screen === 'revoke'
      ? `Revoke ${task?.uuid ?? ''} and end it if it runs? y/n`
      : screen === 'rate-limit'
        ? `Rate limit of ${task?.name ?? ''} (10/m; 0: none): ${typed}▏`
        : screen === 'tasks'
          ? 'j/k move  i info  t traceback  r result  c revoke  l rate limit  w workers  q quit'
          : 'any key: back  q quit'
  return h(
    Box,
    { flexDirection: 'column' },
    h(
      Text,
      { dimColor: true },
      fit(task === undefined ? '' : `args: ${task.args ?? '-'}  kwargs: ${task.kwargs ?? '-'}`, columns),
    ),
    h(Text, null, fit(said, columns)),
    h(Text, { bold: true }, fit(keys, columns)),
  )
}
