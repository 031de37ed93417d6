import { malformedBodies } from './malformed-bodies.ts'
import { malformedEncodings } from './malformed-encodings.ts'
import { malformedEnvelopes } from './malformed-envelopes.ts'
import { malformedHeaders } from './malformed-headers.ts'
import type { MalformedMessage } from './sound-message.ts'

export type { MalformedMessage } from './sound-message.ts'

/** Every layer broken: envelope, headers, properties, body, compression, links. */
export const malformedMessages: readonly MalformedMessage[] = [
  ...malformedEnvelopes,
  ...malformedHeaders,
  ...malformedBodies,
  ...malformedEncodings,
]
