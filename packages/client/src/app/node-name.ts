/**
 * Node names: `celery@host` (celery/utils/nodenames.py 5.7). `%h` full host name, `%n` name part, `%d` domain, `%i` and `%I` the pool
 * process index (always the main process here), `%%` a percent sign.
 */
import { homedir, hostname as osHostname } from 'node:os'

export function nodeName(name: string | undefined, hostname: string = osHostname()): string {
  const given = name === undefined || name === '' ? 'celery' : name
  const expanded = expand(given, hostname)
  return expanded.includes('@') ? expanded : `${expanded}@${hostname}`
}

/**
 * A path with parts of a node's name in it (`node_format`): for `w1@www.example.com`, `%n` is `w1`, `%h` is `www.example.com`, `%d` is
 * `example.com` and `%p` all of it; `~` at its beginning is the home folder.
 */
export function nodePath(path: string, nodename: string): string {
  const at = nodename.indexOf('@')
  const host = at === -1 ? osHostname() : nodename.slice(at + 1)
  const dot = host.indexOf('.')
  const parts: Readonly<Record<string, string>> = {
    h: host,
    n: at === -1 ? nodename : nodename.slice(0, at),
    d: dot === -1 ? '' : host.slice(dot + 1),
    p: nodename,
    i: '0',
    I: '',
    '%': '%',
  }
  const expanded = path.replaceAll(/%(.)/g, (whole, key: string) => parts[key] ?? whole)
  return expanded.replace(/^~(?=\/|$)/, homedir())
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
