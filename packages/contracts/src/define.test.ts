import { describe, expect, it } from 'vitest'
import { trialBroker } from '../test/trial-store.ts'
import { assertContract, contractVersion, defineAdapter } from './index.ts'

const adapter = defineAdapter({
  name: 'x',
  packageName: '@ct/broker-x',
  brokerSchemes: ['x'],
  backendSchemes: [],
})

describe('assertContract', () => {
  it('takes what fits', () => {
    expect(() => assertContract(adapter, 'adapter')).not.toThrow()
    expect(() => assertContract({ ...adapter, contractVersion: '1.0' }, 'adapter')).not.toThrow()
  })

  it.each([
    [
      'nothing',
      undefined,
      'A broker is needed here, but undefined was given. Look at the import: adapters are named exports.',
    ],
    [
      'a factory',
      function xBroker(): void {},
      'A broker is needed here, but the function xBroker was given. Call it: xBroker({ … }).',
    ],
    [
      'the adapter',
      adapter,
      'A broker is needed here, but @ct/broker-x is a whole adapter. Give { adapters: [it] } and a URL, or what one of its functions makes.',
    ],
    [
      'another kind',
      { kind: 'result-backend', packageName: '@ct/y' },
      'A broker is needed here, but @ct/y is a result-backend.',
    ],
    ['anything else', { url: 'x' }, /not made by a define…\(\) of @ct\/contracts\. Use the functions/],
  ])('says what is wrong with %s', (_name, given, message) => {
    expect(() => assertContract(given, 'broker')).toThrow(message)
  })

  it('names both packages and the command when versions do not fit', () => {
    const [major = 0, minor = 0] = contractVersion.split('.').map(Number)
    const newer = { ...adapter, contractVersion: `${major}.${minor + 1}` }
    expect(() => assertContract(newer, 'adapter')).toThrow(
      `@ct/broker-x is made for contracts ${major}.${minor + 1}, but @ct/contracts here has ${contractVersion}. Run: npm install @ct/contracts@latest @ct/core@latest`,
    )
    const older = { ...adapter, contractVersion: `${major - 1}.9` }
    expect(() => assertContract(older, 'adapter')).toThrow('Run: npm install @ct/broker-x@latest')
  })
})

it('capabilities are frozen to the last one', () => {
  const { capabilities } = trialBroker({})
  expect(Object.isFrozen(capabilities)).toBe(true)
  expect(Object.isFrozen(capabilities.exchanges)).toBe(true)
  expect(() => Object.assign(capabilities.exchanges, { fanout: false })).toThrow(TypeError)
})
