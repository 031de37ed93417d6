/**
 * Records one part of a chord; the part that completes it also claims the right to go on.
 *
 * Guarantee: atomic; see `record-part.ts`, which also says what KEYS, ARGV and the reply are.
 */
import { script, type Script } from '../connection/script.ts'
import { recordPart } from './record-part.ts'

export const chordRecord: Script = script('chord-record', `${recordPart}\nreturn {record(0, 0)}`)
