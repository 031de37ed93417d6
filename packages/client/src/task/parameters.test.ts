import { describe, expect, it } from 'vitest'
import { readParameters } from './function-source.ts'
import { bindArguments, parametersOf } from './parameters.ts'
import type { ParameterList } from './parameters.ts'

type AnyFunction = (...args: never[]) => unknown

function names(fn: AnyFunction): unknown {
  return readParameters(fn)?.map(
    ({ name, optional, rest }) => `${rest ? '...' : ''}${name ?? '{}'}${optional ? '?' : ''}`,
  )
}

/** As a build tool leaves it. */
function compiled(source: string): AnyFunction {
  return new Function(`return ${source}`)() as AnyFunction
}

describe('readParameters', () => {
  it('reads every way of writing a function', () => {
    expect(names((x: number, y = 2) => [x, y])).toEqual(['x', 'y?'])
    expect(names(compiled('async function add(x, y) { return x }'))).toEqual(['x', 'y'])
    expect(names(compiled('({ method(x, ...rest) { return x } }).method'))).toEqual(['x', '...rest'])
    expect(names(compiled('async x => x'))).toEqual(['x'])
    expect(names(compiled('() => 1'))).toEqual([])
    expect(names(compiled('async (x /* the first, of two */, // )\n y) => x'))).toEqual(['x', 'y'])
    expect(names(compiled("(x = ')', y = `a,b`, z = [1, (2), { a: 3 }]) => x"))).toEqual(['x?', 'y?', 'z?'])
    expect(names(compiled('(größe, $a, _b) => größe'))).toEqual(['größe', '$a', '_b'])
    expect(names(compiled('function* gen(x) { yield x }'))).toEqual(['x'])
  })

  it('does not trust destructured, bound, native and minified code', () => {
    expect(names(compiled('({ x }, [y] = [], z) => z'))).toEqual(['{}', '{}?', 'z'])
    expect(names(compiled('function (x) { return this }').bind(null))).toBeUndefined()
    expect(names(Math.max)).toBeUndefined()
    expect(names(compiled('(e,t)=>e+t'))).toBeUndefined()
    expect(names(compiled('e=>e'))).toBeUndefined()
    expect(names(compiled('function(e,t){return e}'))).toBeUndefined()
    expect(names(compiled('class A { constructor(x) {} }'))).toBeUndefined()
    expect(names(compiled('(x = /,/) => x'))).toBeUndefined()
    expect(names(compiled('(x = `${1}`) => x'))).toBeUndefined()
  })
})

/** Python: def add(x, y, z=0) */
const add = parametersOf('add', (x: number, y: number, z = 0) => x + y + z, { bind: false })
const rest = parametersOf('total', (first: number, ...others: number[]) => [first, others], { bind: false })

function bound(list: ParameterList, args: readonly unknown[], kwargs = {}): readonly unknown[] {
  return bindArguments(list, args, kwargs)
}

describe('bindArguments', () => {
  it('TASK-30: binds positional and keyword arguments as Python does', () => {
    expect(bound(add, [1, 2])).toEqual([1, 2])
    expect(bound(add, [1], { y: 2 })).toEqual([1, 2])
    expect(bound(add, [], { y: 2, x: 1, z: 3 })).toEqual([1, 2, 3])
    expect(bound(add, [1, 2], { z: 3 })).toEqual([1, 2, 3])
    expect(bound(rest, [1, 2, 3])).toEqual([1, 2, 3])
    expect(bound(rest, [], { first: 1 })).toEqual([1])
  })

  it('TASK-30: leaves gaps to the defaults', () => {
    const list = parametersOf('f', (x: number, y = 1, z = 2) => [x, y, z], { bind: false })
    expect(bound(list, [1], { z: 5 })).toEqual([1, undefined, 5])
  })

  it.each([
    [add, [], {}, "add() missing 2 required positional arguments: 'x' and 'y'"],
    [add, [1], {}, "add() missing 1 required positional argument: 'y'"],
    [add, [1], { z: 1 }, "add() missing 1 required positional argument: 'y'"],
    [add, [1, 2, 3, 4], {}, 'add() takes from 2 to 3 positional arguments but 4 were given'],
    [add, [1, 2], { a: 1 }, "add() got an unexpected keyword argument 'a'"],
    [add, [1, 2], { x: 1 }, "add() got multiple values for argument 'x'"],
    [rest, [], {}, "total() missing 1 required positional argument: 'first'"],
    [
      parametersOf('f', () => 1, { bind: false }),
      [1],
      {},
      'f() takes 0 positional arguments but 1 was given',
    ],
    [
      parametersOf('f', (a: 1, b: 1, c: 1) => [a, b, c], { bind: false }),
      [],
      {},
      "f() missing 3 required positional arguments: 'a', 'b', and 'c'",
    ],
  ])('TASK-30: refuses with Python’s words: %#', (list, args, kwargs, message) => {
    expect(() => bound(list as ParameterList, args as unknown[], kwargs)).toThrow(message as string)
    expect(() => bound(list as ParameterList, args as unknown[], kwargs)).toThrow(
      expect.objectContaining({ code: 'CT_ARGUMENTS', excType: 'TypeError', excModule: 'builtins' }) as Error,
    )
  })

  it('takes names from params, with optional, rest and further keyword arguments', () => {
    const list = parametersOf('f', compiled('(e,t,n)=>[e,t,n]'), {
      bind: false,
      params: ['x', 'y?', '**more'],
    })
    expect(bound(list, [1], { a: 1, b: 2 })).toEqual([1, undefined, { a: 1, b: 2 }])
    expect(bound(list, [1, 2])).toEqual([1, 2, {}])
    expect(() => bound(list, [])).toThrow("'x'")
    const many = parametersOf('f', compiled('(e,...t)=>[e,t]'), { bind: false, params: ['x', '...xs'] })
    expect(bound(many, [1, 2, 3])).toEqual([1, 2, 3])
  })

  it('asks for params where names are not known', () => {
    const list = parametersOf('f', compiled('({ x }) => x'), { bind: false })
    expect(bound(list, [{ x: 1 }])).toEqual([{ x: 1 }])
    expect(() => bound(list, [], { x: 1 })).toThrow(
      /names of its parameters are not known. Give them to the task: params/,
    )
    const minified = parametersOf('f', compiled('(e,t)=>e'), { bind: false })
    expect(() => bound(minified, [1])).toThrow('#2')
    expect(() => bound(minified, [1], { t: 2 })).toThrow(/params/)
  })

  it('keeps hostile keyword names data', () => {
    const list = parametersOf('f', (x: unknown, more: unknown) => [x, more], {
      bind: false,
      params: ['x', '**more'],
    })
    const kwargs = JSON.parse('{"__proto__": {"polluted": true}, "constructor": 1}') as Record<
      string,
      unknown
    >
    const [, more] = bound(list, [1], kwargs) as [unknown, Record<string, unknown>]
    expect(Object.keys(more)).toEqual(['__proto__', 'constructor'])
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined()
    expect(() => bound(add, [1, 2], kwargs)).toThrow("unexpected keyword argument '__proto__'")
  })

  it('skips the context of a bound handler', () => {
    const list = parametersOf('f', (task: unknown, x: number) => [task, x], { bind: true })
    expect(bound(list, [], { x: 1 })).toEqual([1])
  })

  it('refuses params that do not fit', () => {
    const fn = (x: number, y: number): number => x + y
    expect(() => parametersOf('f', fn, { bind: false, params: ['x'] })).toThrow(
      /takes 2 parameters, but params names 1/,
    )
    expect(() => parametersOf('f', fn, { bind: false, params: ['x', 'x'] })).toThrow(/different names/)
    expect(() => parametersOf('f', fn, { bind: false, params: ['x', 'a b'] })).toThrow(/"a b" is none/)
  })
})
