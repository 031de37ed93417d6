import { expect, it } from 'vitest'
import { brokerFailures, toFailure } from './failure.ts'

it('a server that cannot be reached: where, what for unless it was only to connect, and why', () => {
  const cause = Object.assign(new Error('connect ECONNREFUSED 127.0.0.1:1'), { code: 'ECONNREFUSED' })
  const connecting = toFailure(cause, brokerFailures, '127.0.0.1:1', 'connect')
  expect(connecting.message).toBe('Redis at 127.0.0.1:1 cannot be reached: connect ECONNREFUSED 127.0.0.1:1')
  expect(connecting).toMatchObject({ code: 'CT_BROKER_UNAVAILABLE', cause })
  const publishing = toFailure(cause, brokerFailures, '127.0.0.1:1', 'publish')
  expect(publishing.message).toMatch(/^Redis at 127\.0\.0\.1:1 cannot be reached to publish: connect/)
})
