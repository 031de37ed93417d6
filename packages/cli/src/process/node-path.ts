/**
 * Paths of files that belong to one node (WORK-24; celery/utils/nodenames.py `node_format` 5.7): for the node `w1@example.com`, `%n` is `w1`, `%h` all
 * of it, `%d` is `example.com`, `%p` too is all of it, `%i` is 0 and `%I` nothing, as for Celery's main process; `%%` is a percent sign.
 */
import { homedir } from 'node:os'

export function nodePath(path: string, node: string): string {
  const at = node.indexOf('@')
  const name = at === -1 ? node : node.slice(0, at)
  const parts: Readonly<Record<string, string>> = {
    h: node,
    p: node,
    n: name,
    d: at === -1 ? '' : node.slice(at + 1),
    i: '0',
    I: '',
    '%': '%',
  }
  const expanded = path.replaceAll(/%(.)/g, (whole, key: string) => parts[key] ?? whole)
  return expanded.replace(/^~(?=\/|$)/, homedir())
}
