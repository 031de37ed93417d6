import type { Option } from 'commander'

/** Texts that switch a flag off when they stand in an environment variable. */
const off = new Set(['', '0', 'false', 'no', 'off'])

/**
 * An option that may also come from the environment; the first of `names` that is set counts, the command line wins.
 *
 * Commander knows one variable an option, and takes `FLAG=0` for set.
 */
export function withEnvironment(option: Option, names: readonly string[]): Option {
  const found = names.find((name) => {
    const text = process.env[name]
    if (text === undefined || text === '') return false
    return !option.isBoolean() || !off.has(text.toLowerCase())
  })
  if (found !== undefined) option.env(found)
  return option
}

/** `CELERY_WORKER_LOGLEVEL` for `--loglevel` of `worker`, as in Celery (CLI-2). */
export function commandVariable(command: string, option: Option): string {
  const name = (option.long ?? option.short ?? '').replace(/^-+/, '')
  return `CELERY_${command}_${name}`.toUpperCase().replaceAll('-', '_')
}
