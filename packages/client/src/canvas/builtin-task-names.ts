/** Tasks that every worker of every language has (APP-57); names are wire contract. */
export const builtinTasks = {
  accumulate: 'celery.accumulate',
  backendCleanup: 'celery.backend_cleanup',
  chain: 'celery.chain',
  chord: 'celery.chord',
  chordUnlock: 'celery.chord_unlock',
  chunks: 'celery.chunks',
  group: 'celery.group',
  map: 'celery.map',
  starmap: 'celery.starmap',
} as const
