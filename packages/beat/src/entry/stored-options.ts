/** Calling options as they stand in a store, under Python's names; what declares an entry has looked at them, what others write there nobody. */
import { decodeJson, isPlainObject } from '@ct/contracts'

type Kind = 'text' | 'number' | 'object' | 'list' | 'signatures'

const kinds: Readonly<Record<string, Kind>> = {
  queue: 'text',
  exchange: 'text',
  routing_key: 'text',
  serializer: 'text',
  compression: 'text',
  reply_to: 'text',
  root_id: 'text',
  parent_id: 'text',
  group_id: 'text',
  countdown: 'number',
  priority: 'number',
  time_limit: 'number',
  soft_time_limit: 'number',
  headers: 'object',
  chain: 'list',
  link: 'signatures',
  link_error: 'signatures',
}

const isKind: Readonly<Record<Kind, (value: unknown) => boolean>> = {
  text: (value) => typeof value === 'string',
  number: (value) => Number.isFinite(value),
  object: isPlainObject,
  list: Array.isArray,
  signatures: (value) => isPlainObject(value) || (Array.isArray(value) && value.every(isPlainObject)),
}

/** Error: what is wrong, in its message. */
export function checkStoredOptions(text: string): void {
  if (text === '{}') return
  let options: unknown
  try {
    options = decodeJson(text)
  } catch (error) {
    throw new Error(`its options are no JSON: ${(error as Error).message}`, { cause: error })
  }
  if (!isPlainObject(options)) throw new Error('its options are no JSON object')
  for (const [name, kind] of Object.entries(kinds)) {
    const value = options[name]
    if (value === undefined || value === null || isKind[kind](value)) continue
    throw new Error(
      `its option ${name} is ${JSON.stringify(value)}, and not a ${kind === 'signatures' ? 'signature' : kind}`,
    )
  }
}
