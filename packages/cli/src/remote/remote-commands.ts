/** Commands that workers understand (celery/worker/control.py 5.7), with what the command line has to know of each. */

export type ArgumentKind = 'text' | 'integer' | 'number' | 'boolean'

export interface RemoteArgument {
  /** Its name in the message. */
  readonly name: string
  readonly kind: ArgumentKind
  readonly required?: boolean
}

export interface RemoteCommand {
  readonly name: string
  readonly group: 'inspect' | 'control'
  readonly help: string
  readonly alias?: string
  readonly args: readonly RemoteArgument[]
  /** All further words, as one list under this name. */
  readonly rest?: string
  /** At least one of them. Celery does nothing then, and says OK. */
  readonly restRequired?: boolean
  /** Seconds without a further answer after which waiting ends. Default 1. */
  readonly timeout?: number
  /** Workers do not answer. */
  readonly silent?: boolean
}

const text = (name: string): RemoteArgument => ({ name, kind: 'text' })
const needed = (name: string): RemoteArgument => ({ name, kind: 'text', required: true })
const integer = (name: string): RemoteArgument => ({ name, kind: 'integer' })
const number = (name: string, required = false): RemoteArgument => ({ name, kind: 'number', required })

const inspect = (name: string, help: string, more: Partial<RemoteCommand> = {}): RemoteCommand => ({
  name,
  group: 'inspect',
  help,
  args: [],
  ...more,
})
const control = (name: string, help: string, more: Partial<RemoteCommand> = {}): RemoteCommand => ({
  name,
  group: 'control',
  help,
  args: [],
  ...more,
})

export const remoteCommands: readonly RemoteCommand[] = [
  inspect('active', 'tasks being run', { alias: 'dump_active' }),
  inspect('active_queues', 'queues consumed from'),
  inspect('chords', 'chords that wait for members: whose parts have come, and for how long (ct workers)'),
  inspect('clock', 'logical clock'),
  inspect('conf', 'settings that differ from the defaults, or with "true" all of them', {
    alias: 'dump_conf',
    args: [{ name: 'with_defaults', kind: 'boolean' }],
  }),
  inspect('memdump', 'samples of memory use', { args: [integer('samples')] }),
  inspect('memsample', 'memory use of the worker'),
  inspect('objgraph', 'graph of objects in memory (Python workers)', {
    args: [text('type'), integer('num'), integer('max_depth')],
    timeout: 60,
  }),
  inspect('ping', 'which workers answer'),
  inspect('query_task', 'what workers know of these task ids', { rest: 'ids', restRequired: true }),
  inspect('registered', 'tasks the workers can run, with these attributes', {
    alias: 'dump_tasks',
    rest: 'taskinfoitems',
  }),
  inspect('report', 'versions and settings'),
  inspect('reserved', 'tasks taken and not yet started', { alias: 'dump_reserved' }),
  inspect('revoked', 'ids of revoked tasks', { alias: 'dump_revoked' }),
  inspect('scheduled', 'tasks held for their time', { alias: 'dump_schedule' }),
  inspect('stats', 'counts and resources'),
  control('add_consumer', 'consume from a queue', {
    args: [needed('queue'), text('exchange'), text('exchange_type'), text('routing_key')],
  }),
  control('autoscale', 'change the limits of autoscaling', { args: [integer('max'), integer('min')] }),
  control('cancel_consumer', 'stop consuming from a queue', { args: [needed('queue')] }),
  control('chord_fail', 'fail an open chord, with a reason (ct workers)', {
    args: [needed('group_id'), text('reason')],
  }),
  control('chord_repair', 'send the body of a chord whose parts are all there (ct workers)', {
    args: [needed('group_id')],
  }),
  control('disable_events', 'task events off'),
  control('election', 'let workers choose one of them', {
    args: [text('id'), text('topic'), text('action')],
  }),
  control('enable_events', 'task events on'),
  control('heartbeat', 'send a heartbeat event now'),
  control('pool_grow', 'more slots', { args: [integer('n')] }),
  control('pool_restart', 'start the pool anew'),
  control('pool_shrink', 'fewer slots', { args: [integer('n')] }),
  control('rate_limit', 'limit a task, for example 10/m; 0 ends the limit', {
    args: [needed('task_name'), needed('rate_limit')],
  }),
  control('revoke', 'do not run the tasks of these ids', { rest: 'task_id', restRequired: true }),
  control('revoke_by_stamped_headers', 'do not run tasks with these stamps, given as name=value', {
    rest: 'headers',
    restRequired: true,
  }),
  control('shutdown', 'finish what runs, then stop', { silent: true }),
  control('terminate', 'end the tasks of these ids, for example: terminate SIGTERM <id>', {
    args: [needed('signal')],
    rest: 'task_id',
    restRequired: true,
  }),
  control('time_limit', 'limit the seconds a task may run: soft, then hard', {
    args: [needed('task_name'), number('soft', true), number('hard')],
  }),
]
