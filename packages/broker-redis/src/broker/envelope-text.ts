/**
 * Edits envelopes as text: only the members that change are touched, everything else keeps the bytes its writer chose (numbers, key
 * order, types unknown to us).
 */
import { parkedHeader, sliceJsonObject, type ParkedHistory } from '@ct/contracts'

/** Sets or, with undefined, removes a member of a JSON object. Error: `CT_DECODE` when the text is no object. */
export function setMember(object: string, key: string, value: string | undefined): string {
  let left = value
  let text = ''
  const add = (name: string, member: string): void => {
    text += (text === '' ? '{' : ', ') + JSON.stringify(name) + ': ' + member
  }
  for (const [name, member] of sliceJsonObject(object)) {
    if (name !== key) add(name, member)
    else if (left !== undefined) {
      add(name, left)
      left = undefined
    }
  }
  if (left !== undefined) add(key, left)
  return text === '' ? '{}' : text + '}'
}

export function getMember(object: string, key: string): string | undefined {
  return sliceJsonObject(object).findLast(([name]) => name === key)?.[1]
}

function editMember(object: string, key: string, edit: (member: string) => string): string {
  const member = getMember(object, key)
  return setMember(object, key, edit(member === undefined || member === 'null' ? '{}' : member))
}

/** What kombu sets when it restores a message (kombu/transport/redis.py 5.7, `_do_restore_message`). */
export function markRedelivered(envelope: string): string {
  const marked = editMember(envelope, 'headers', (headers) => setMember(headers, 'redelivered', 'true'))
  return editMember(marked, 'properties', (properties) =>
    editMember(properties, 'delivery_info', (info) => setMember(info, 'redelivered', 'true')),
  )
}

export function addParkedHistory(envelope: string, history: ParkedHistory): string {
  return editMember(envelope, 'headers', (headers) =>
    setMember(headers, parkedHeader, JSON.stringify(history)),
  )
}

export function removeParkedHistory(envelope: string): string {
  return editMember(envelope, 'headers', (headers) => setMember(headers, parkedHeader, undefined))
}
