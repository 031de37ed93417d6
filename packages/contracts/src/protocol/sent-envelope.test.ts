import { expect, it } from 'vitest'
import type { MessageContent } from '../message.ts'
import { buildTaskMessage, decodeEnvelope, encodeEnvelope, sentEnvelope } from './index.ts'
import type { EnvelopeAddress, TaskMessageInput } from './index.ts'

const address: EnvelopeAddress = { exchange: '', routingKey: 'celery', deliveryTag: 'tag-1' }
const base = { task: 'tasks.add', id: 'id-1', args: [1, 'é"\\\ud800'], origin: 'gen1@host', replyTo: 'oid' }

function messageOf(input: Partial<TaskMessageInput>): MessageContent {
  return buildTaskMessage({ ...base, ...input })
}

const known: readonly (readonly [string, Partial<TaskMessageInput>])[] = [
  ['a plain task', {}],
  ['one of a chain', { rootId: 'root', parentId: 'parent', correlationId: 'other' }],
  ['a member of a group', { group: 'g', groupIndex: 3, priority: 9 }],
  ['limits and times', { timeLimit: 10, softTimeLimit: 5.5, expires: '2030-01-01T00:00:00Z', retries: 2 }],
  ['a transient one', { deliveryMode: 1, replyTo: null, ignoreResult: true, shadow: 'ü\u007f' }],
]

it.each(known)('WIRE-1: %s is what reading its text gives', (_, input) => {
  const message = messageOf(input)
  const opened = sentEnvelope(message, address)!
  expect(opened).toStrictEqual(decodeEnvelope(encodeEnvelope(message, address)))
  expect(opened.body).toBe(message.body)
})

it('WIRE-1: fields that the message leaves out are those of its text', () => {
  const message = messageOf({})
  for (const properties of [{}, { correlationId: 'c' }, { replyTo: '', priority: 255 }]) {
    const bare = { ...message, properties }
    expect(sentEnvelope(bare, address)).toStrictEqual(decodeEnvelope(encodeEnvelope(bare, address)))
  }
})

it('has tables of its own', () => {
  const message = messageOf({ timeLimit: 1 })
  const opened = sentEnvelope(message, address)!
  for (const name of ['timelimit', 'stamps']) expect(opened.headers[name]).not.toBe(message.headers[name])
  expect(opened.headers).not.toBe(message.headers)
  expect(opened.properties).not.toBe(message.properties)
})

it.each<readonly [string, Partial<TaskMessageInput>]>([
  ['a header of the user', { headers: { tenant: 'a' } }],
  ['a header that becomes another value', { headers: { retries: 12345678901234567890n } }],
  ['minus zero', { headers: { retries: -0 } }],
  ['a number that is none', { headers: { replaced_task_nesting: Number.NaN } }],
  ['a float that is read as an integer', { headers: { shadow: 2 ** 60 } }],
  ['stamps', { stampedHeaders: ['stamp'], stamps: { stamp: 1 } }],
  ['properties of the user', { properties: { MessageGroupId: 'g' } }],
  ['a date among the headers', { headers: { eta: new Date(0) } }],
])('leaves %s to who reads the text', (_, input) => {
  let message: MessageContent
  try {
    message = messageOf(input)
  } catch {
    message = { ...messageOf({}), headers: { ...messageOf({}).headers, ...input.headers } }
  }
  expect(sentEnvelope(message, address)).toBeUndefined()
})

it('leaves an address or a type that text does not keep to who reads the text', () => {
  const message = messageOf({})
  expect(sentEnvelope({ ...message, contentType: '' }, address)).toBeUndefined()
  expect(sentEnvelope({ ...message, properties: { priority: 1.5 } }, address)).toBeUndefined()
  expect(sentEnvelope(message, { ...address, redelivered: true })).toBeUndefined()
})
