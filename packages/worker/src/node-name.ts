/**
 * Node names: `celery@host` (celery/utils/nodenames.py 5.7). `%h` full host name, `%n` name part, `%d` domain, `%i` and `%I` the pool
 * process index (always the main process here), `%%` a percent sign.
 */
import { hostname as osHostname } from 'node:os'

export function nodeName(name: string | undefined, hostname: string = osHostname()): string {
  const given = name === undefined || name === '' ? 'celery' : name
  const expanded = expand(given, hostname)
  return expanded.includes('@') ? expanded : `${expanded}@${hostname}`
}

function expand(name: string, hostname: string): string {
  const dot = hostname.indexOf('.')
  const short = dot === -1 ? hostname : hostname.slice(0, dot)
  const domain = dot === -1 ? '' : hostname.slice(dot + 1)
  return name.replaceAll(/%(.)/g, (whole, key: string) => {
    switch (key) {
      case 'h':
        return hostname
      case 'n':
        return short
      case 'd':
        return domain
      case 'i':
        return '0'
      case 'I':
        return ''
      case '%':
        return '%'
      default:
        return whole
    }
  })
}
