/** Types that follow arguments and results through a canvas. */
import type { Group } from './group.ts'
import type { AnySignature, Signature } from './signature.ts'

/** Arguments a signature still takes; a union where parameters may be left out. */
export type ArgsOf<S> = S extends Signature<infer A, infer _R, infer _H> ? A : never
/** What its task gives back. */
export type ResultOf<S> = S extends Signature<infer _A, infer R, infer _H> ? R : never
/** What sending it gives: `AsyncResult` or `GroupResult`. */
export type HandleOf<S> = S extends Signature<infer _A, infer _R, infer H> ? H : never

type Any = readonly unknown[]
type IsOpen<A extends Any> = number extends A['length'] ? true : false

/** The first `N` elements; labels stay. */
type Prefix<T extends Any, N> = T['length'] extends N
  ? T
  : T extends readonly [...infer Init, unknown]
    ? Prefix<Init, N>
    : T

/** Every tuple that a parameter list stands for: `[x, y?]` is `[x] | [x, y]`. */
type Forms<A extends Any> =
  IsOpen<A> extends true
    ? A
    : A['length'] extends infer N
      ? N extends number
        ? Prefix<Required<A>, N>
        : never
      : never

type Suffixes<T extends Any> = T extends readonly [unknown, ...infer Tail] ? T | Suffixes<Tail> : []

/** What may be given to `.s()`: the last arguments, or all. Those before come from the caller or the step before. */
export type PartialArgs<A extends Any> =
  IsOpen<A> extends true
    ? A | readonly A[number][]
    : Forms<A> extends infer F
      ? F extends Any
        ? Suffixes<F>
        : never
      : never

/** `F` without the last arguments, which are given. */
type DropSuffix<F extends Any, Given extends Any> = Given extends readonly [
  ...infer GivenInit,
  infer GivenLast,
]
  ? F extends readonly [...infer Init, infer Last]
    ? GivenLast extends Last
      ? DropSuffix<Init, GivenInit>
      : never
    : never
  : F

/** What is left to give after `.s(...given)`. */
export type RemainingArgs<A extends Any, Given extends Any> =
  IsOpen<A> extends true
    ? readonly unknown[]
    : Forms<A> extends infer F
      ? F extends Any
        ? DropSuffix<F, Given>
        : never
      : never

/** Stands in the place of a chain's step that does not take what the step before gives. */
export interface StepDoesNotAccept<Result, Takes> {
  readonly 'The step before gives': Result
  readonly 'but this step takes': Takes
}

type CheckStep<Step, Before> =
  unknown extends ResultOf<Before>
    ? Step
    : [ResultOf<Before>] extends ArgsOf<Step>
      ? Step
      : StepDoesNotAccept<ResultOf<Before>, ArgsOf<Step>>

type CheckRest<S extends Any, Before> = S extends readonly [infer Step, ...infer Rest]
  ? [CheckStep<Step, Before>, ...CheckRest<Rest, Step>]
  : []

/** The steps again, each of which takes the result of the one before. */
export type CheckedSteps<S extends readonly AnySignature[]> =
  IsOpen<S> extends true
    ? S
    : S extends readonly [infer First, ...infer Rest]
      ? [First, ...CheckRest<Rest, First>]
      : []

/** What follows `Before`, each of which takes the result of the one before. */
export type CheckedRest<S extends readonly AnySignature[], Before> =
  IsOpen<S> extends true ? S : CheckRest<S, Before>

/** `before.pipe(…rest)`. */
export type PipedOf<Before, S extends readonly AnySignature[]> = Signature<
  ArgsOf<Before>,
  S extends readonly [] ? ResultOf<Before> : ResultOf<LastStep<S>>,
  S extends readonly [] ? HandleOf<Before> : HandleOf<LastStep<S>>
>

/** A group of one that follows something is its member. */
type LastStep<S extends Any> =
  Last<S> extends Group<infer A, infer R>
    ? R extends readonly [infer One]
      ? Signature<A, One>
      : Last<S>
    : Last<S>

type Last<S extends Any> = S extends readonly [...Any, infer L] ? L : S[number]

/** `chain(…steps)`. */
export type ChainOf<S extends readonly AnySignature[]> = Signature<
  ArgsOf<S[0]>,
  ResultOf<S extends readonly [infer Only] ? Only : LastStep<S>>,
  HandleOf<S extends readonly [infer Only] ? Only : LastStep<S>>
>

/** Results of a group, in the order of its members. */
export type ResultsOf<S extends readonly AnySignature[]> = { -readonly [I in keyof S]: ResultOf<S[I]> }

/** Arguments of `applyAsync`: options alone only where no argument is missing. */
export type ApplyArgs<A extends Any, Options> = [] extends A
  ? [options?: Options] | [args: A, options?: Options]
  : [args: A, options?: Options]
