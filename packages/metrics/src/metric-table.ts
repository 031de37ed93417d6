/** Every metric, by name. The README lists the same, checked by a test. */
export const metricTable = {
  ct_tasks_sent_total: {
    kind: 'counter',
    labels: ['task'],
    help: 'Tasks that the broker has taken from this process.',
  },
  ct_tasks_received_total: {
    kind: 'counter',
    labels: ['task'],
    help: 'Tasks received, neither revoked nor expired.',
  },
  ct_tasks_started_total: { kind: 'counter', labels: ['task'], help: 'Runs begun.' },
  ct_tasks_succeeded_total: { kind: 'counter', labels: ['task'], help: 'Runs that ended in SUCCESS.' },
  ct_tasks_failed_total: { kind: 'counter', labels: ['task'], help: 'Tasks that ended in FAILURE.' },
  ct_tasks_retried_total: {
    kind: 'counter',
    labels: ['task'],
    help: 'Runs after which the task is tried again.',
  },
  ct_tasks_rejected_total: { kind: 'counter', labels: ['task'], help: 'Tasks whose message was rejected.' },
  ct_tasks_revoked_total: { kind: 'counter', labels: ['task'], help: 'Tasks revoked or expired.' },
  ct_task_runtime_seconds: {
    kind: 'histogram',
    labels: ['task'],
    help: 'From the start of a run to its end, however it ended.',
  },
  ct_task_wait_seconds: {
    kind: 'histogram',
    labels: ['task'],
    help: 'From receiving a task, or its ETA, to the start of its run: the wait for a slot in this worker.',
  },
  ct_worker_active: { kind: 'gauge', labels: ['worker'], help: 'Tasks that run now.' },
  ct_worker_slots: { kind: 'gauge', labels: ['worker'], help: 'Tasks that can run at a time.' },
  ct_worker_connected: {
    kind: 'gauge',
    labels: ['worker'],
    help: '1 while the worker has a connection to the broker and consumes from it, else 0.',
  },
  ct_event_loop_delay_seconds: {
    kind: 'gauge',
    labels: ['quantile'],
    help: 'How late the event loop was since the last scrape; quantiles 0.5, 0.99 and 1.',
  },
} as const satisfies Readonly<
  Record<
    string,
    {
      readonly kind: 'counter' | 'gauge' | 'histogram'
      readonly labels: readonly string[]
      readonly help: string
    }
  >
>

export type MetricName = keyof typeof metricTable
