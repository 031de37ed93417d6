import { describe, expect, it } from 'vitest'
import { anyInText } from './any-in-declarations.ts'

describe('any in public types', () => {
  it.each([
    'export declare function f(x: any): void;',
    'export declare const f: () => any;',
    'export type A = Map<string, any>;',
    'export type A = string | any;',
    'export declare const list: readonly any[];',
    'export interface A<T extends any> { x: T; }',
    'export declare function f(...args: any[]): unknown;',
  ])('is found in %s', (line) => {
    expect(anyInText('x.d.ts', line)).toHaveLength(1)
  })

  it.each([
    '/** takes any value: any at all */',
    'export declare const mode: "any" | \'any\';',
    'export interface A { any(xs: string[]): void; }',
    'export interface A { any: string; }',
    '// any other',
    'export type company = string;',
  ])('is not seen in %s', (line) => {
    expect(anyInText('x.d.ts', line)).toEqual([])
  })
})
