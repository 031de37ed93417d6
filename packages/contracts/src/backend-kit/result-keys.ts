/** Keys of Celery's key-value backends (celery/backends/base.py 5.7, `KeyValueStoreBackend`). */
export const taskKeyPrefix = 'celery-task-meta-'
export const groupKeyPrefix = 'celery-taskset-meta-'
/** Counter of a chord's finished members. */
export const chordKeyPrefix = 'chord-unlock-'
