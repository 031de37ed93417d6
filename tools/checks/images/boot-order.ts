/** In which order a worker starts and stops, and where steps of others stand (docs/userguide/extending.md). */
import { box, note, path, svg } from './shapes.ts'

const column = (x: number, y: number, kind: string, lines: readonly string[]): string =>
  box({ x, y, w: 150, h: 52 }, kind, lines)

svg(
  'boot-order.svg',
  900,
  400,
  'A worker starts its pool, then the worker steps of others, then connects: events, mingle, gossip, heart, control, then consumer steps of others, then tasks are consumed. A lost connection begins again at the connection. Stopping goes the other way round, and worker steps stop after the running tasks have ended',
  [
    note(20, 28, 'start', 'start', 'title'),
    column(20, 45, 'card', ['celerydInit', 'workerInit']),
    column(195, 45, 'card', ['modules, tasks', 'celerydAfterSetup']),
    column(370, 45, 'mid', ['Pool', 'workerProcessInit']),
    column(545, 45, 'card ts', ['steps of yours', 'app.steps.worker']),
    column(720, 45, 'mid', ['Connection', 'to the broker']),
    path('M171 71 H193'),
    path('M346 71 H368'),
    path('M521 71 H543'),
    path('M696 71 H718'),
    path('M795 98 V140'),
    column(720, 142, 'mid', ['Events, Mingle', 'Gossip']),
    column(545, 142, 'mid', ['Heart, Control', 'worker-online']),
    column(370, 142, 'card ts', ['steps of yours', 'app.steps.consumer']),
    column(195, 142, 'mid', ['Tasks', 'queues consumed']),
    column(20, 142, 'card py', ['ready', 'workerReady']),
    path('M718 168 H697'),
    path('M543 168 H522'),
    path('M368 168 H347'),
    path('M193 168 H172'),
    path('M95 195 C95 232 640 232 860 232 C880 232 884 150 871 100', 'back'),
    note(
      480,
      222,
      'connection lost: consumer steps stop; all again from the connection on, running tasks go on',
    ),
    note(20, 278, 'stop', 'start', 'title'),
    column(20, 295, 'card py', ['told to stop', 'workerShuttingDown']),
    column(195, 295, 'card', ['nothing new', 'the rest goes back']),
    column(370, 295, 'card ts', ['consumer steps', 'close, stop']),
    column(545, 295, 'card', ['running tasks', 'end, or are cut off']),
    column(720, 295, 'card ts', ['worker steps', 'stop or terminate']),
    path('M171 321 H193'),
    path('M346 321 H368'),
    path('M521 321 H543'),
    path('M696 321 H718'),
    note(795, 372, 'then heart, control, pool, connection; shutdown; workerShutdown', 'end'),
  ].join(''),
)
