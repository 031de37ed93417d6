import { describe, expect, it } from 'vitest'
import { fixtures } from '../../test/fixtures.ts'
import { decodeJson, RawJson } from '../serialization/index.ts'
import { argsRepr, kwargsRepr, pyRepr, pyStr, saferepr } from './index.ts'

describe('argsrepr and kwargsrepr beside Celery 5.7', () => {
  it('WIRE-5 D57-19, D57-115: the same text for random arguments, at any length and depth', () => {
    for (const [args, kwargs, maxLength, maxLevels, expectedArgs, expectedKwargs] of fixtures.saferepr) {
      expect(argsRepr(decodeJson(args), { maxLength, maxLevels })).toBe(expectedArgs)
      expect(kwargsRepr(decodeJson(kwargs), { maxLength, maxLevels })).toBe(expectedKwargs)
    }
  })

  it('WIRE-5: tuples, also of arguments that are forwarded as text', () => {
    expect([argsRepr([]), argsRepr([1]), argsRepr([1, 'a'])]).toEqual(['()', '(1,)', "(1, 'a')"])
    expect(argsRepr(RawJson.from('[1.0, [2]]'))).toBe('(1, [2])')
    expect(argsRepr([RawJson.from('"x"'), RawJson.from('{"a": null}')])).toBe("('x', {'a': None})")
    expect(kwargsRepr(undefined)).toBe('{}')
  })

  it('never throws', () => {
    const cycle: unknown[] = []
    cycle.push(cycle)
    expect(saferepr(cycle, { maxLevels: 0, maxLength: 100 })).toContain('Recursion on list')
    const hostile = new Proxy(
      {},
      {
        ownKeys: () => {
          throw new Error('no')
        },
      },
    )
    expect(argsRepr([hostile])).toBe('(<unrepresentable>,)')
    expect(pyRepr(hostile)).toBe('<unrepresentable>')
    const { proxy, revoke } = Proxy.revocable({}, {})
    revoke()
    expect([argsRepr([proxy, 1]), pyRepr([proxy, 1])]).toEqual([
      '(<unrepresentable>, 1)',
      '[<unrepresentable>, 1]',
    ])
    expect(kwargsRepr(proxy)).toBe('<unrepresentable>')
    expect(
      saferepr([() => 1, Symbol('s'), new Map([[1, new Set(['a'])]]), new Set(), new TypeError("it's")]),
    ).toBe("[<function anonymous>, <Symbol(s)>, {1: {'a'}}, set(), TypeError(\"it's\")]")
  })

  it('costs little on huge arguments', () => {
    const huge = Array.from({ length: 1_000_000 }, (_, at) => ({ at, text: 'x'.repeat(10) }))
    const start = process.cpuUsage()
    expect(argsRepr([huge]).length).toBeLessThan(1100)
    expect(pyRepr(huge).length).toBeLessThanOrEqual(1024)
    // Microseconds of work: a machine that stands still adds none.
    expect(process.cpuUsage(start).user).toBeLessThan(500_000)
  })
})

describe('pyRepr', () => {
  it('WIRE-55: the same as Python’s repr', () => {
    for (const [text, repr] of fixtures.repr) expect([text, pyRepr(decodeJson(text))]).toEqual([text, repr])
  })

  it('shows errors as Python shows exceptions', () => {
    expect(pyRepr(new Error('bad'))).toBe("Exception('bad')")
    expect(pyRepr(new RangeError('bad'))).toBe("ValueError('bad')")
    expect(pyRepr(Object.assign(new Error('x'), { excType: 'KeyError', args: ['a', 1] }))).toBe(
      "KeyError('a', 1)",
    )
    expect(pyStr('text')).toBe('text')
    expect(pyStr(new Error(''))).toBe('Exception()')
  })

  it('is bounded', () => {
    const deep: unknown[] = []
    let at = deep
    for (let level = 0; level < 5000; level += 1) at.push((at = []))
    expect(pyRepr(deep)).toBe('[[[[[[[...]]]]]]]')
    expect(pyRepr('x'.repeat(5000))).toHaveLength(1024)
  })
})
