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

type Prefixes<F extends Any> = F extends readonly [...infer Init, unknown] ? F | Prefixes<Init> : []

/** What may be given to `clone`: the first arguments, or all of those that are still to be given. */
export type FrontArgs<A extends Any> =
  IsOpen<A> extends true
    ? readonly unknown[]
    : Forms<A> extends infer F
      ? F extends Any
        ? Readonly<Prefixes<F>>
        : never
      : never

/** `F` without the first arguments, which are given. */
type DropPrefix<F extends Any, Given extends Any> = Given extends readonly [
  infer GivenFirst,
  ...infer GivenRest,
]
  ? F extends readonly [infer First, ...infer Rest]
    ? GivenFirst extends First
      ? DropPrefix<Rest, GivenRest>
      : never
    : never
  : F

/** What is left to give after `clone(given)`. */
export type ArgsAfter<A extends Any, Given extends Any> =
  IsOpen<A> extends true
    ? readonly unknown[]
    : IsOpen<Given> extends true
      ? readonly unknown[]
      : Forms<A> extends infer F
        ? F extends Any
          ? DropPrefix<F, Given>
          : never
        : never

/** Arguments that two signatures both take: what a group of them takes. */
type Shared<A extends Any, B extends Any> = [B] extends [A] ? B : [A] extends [B] ? A : A & B

type SharedByAll<S extends Any, A extends Any> = S extends readonly [infer One, ...infer Rest]
  ? SharedByAll<Rest, Shared<A, ArgsOf<One>>>
  : A

/** What the members of a group take: each gets the same. */
export type GroupArgs<S extends Any> =
  IsOpen<S> extends true
    ? [S[number]] extends [never]
      ? []
      : (
            S[number] extends infer One ? (One extends unknown ? (args: ArgsOf<One>) => void : never) : never
          ) extends (args: infer A extends Any) => void
        ? A
        : never
    : S extends readonly [infer First, ...infer Rest]
      ? SharedByAll<Rest, ArgsOf<First>>
      : []

declare const mistake: unique symbol

/**
 * Stands in the place of what does not fit, and says why in its parameters: `Mismatch<'the step before gives', number, 'this step takes',
 * [text: string]>`. That is what compilers and editors show of it.
 */
export interface Mismatch<Says extends string, What = never, But extends string = never, Other = never> {
  readonly [mistake]: readonly [Says, What, But, Other]
}

/** `Step` where it takes `Given` as its first argument, else what is wrong. */
type Fitting<Step, Given, Gives extends string, Takes extends string> =
  Step extends Signature<infer A, infer _R, infer _H>
    ? unknown extends Given
      ? Step
      : [Given] extends A
        ? Step
        : [A] extends [readonly []]
          ? Mismatch<'this has all its arguments; made with .si() it ignores what comes before', Step>
          : Mismatch<Gives, Given, Takes, A>
    : NoSignature<Step>

type NoSignature<Given> = Given extends { s(...args: never[]): unknown }
  ? Mismatch<'this is a task, not a call of it: write .s(…)'>
  : Given extends Any
    ? Mismatch<'this is a list: spread it, as in chain(...steps)'>
    : Mismatch<'this is no signature', Given>

/** What a header, several signatures or a group, gives to the body. */
export type HeaderResults<H> = H extends readonly AnySignature[]
  ? ResultsOf<H>
  : H extends Iterable<infer Member>
    ? ResultOf<Member>[]
    : ResultOf<H>

/** The body of a chord, which takes the list of its header's results. */
export type CheckedBody<H, B> = Fitting<B, HeaderResults<H>, 'the header gives', 'the body takes'>

/** A callback, which takes the result; of a group it is made immutable, and called by one member. */
export type CheckedLink<Self, S> = Self extends { readonly subtaskType: 'group' }
  ? CheckedMember<S>
  : Fitting<S, ResultOf<Self>, 'this gives', 'the callback takes'>

type Follows<Step, Before> = Fitting<Step, ResultOf<Before>, 'the step before gives', 'this step takes'>

/** The steps again, each of which takes the result of the one before. */
export type CheckedSteps<S extends Any> =
  IsOpen<S> extends true
    ? S
    : { [I in keyof S]: I extends '0' ? CheckedMember<S[I]> : Follows<S[I], At<[never, ...S], I>> }

/** What follows `Before`, each of which takes the result of the one before. */
export type CheckedRest<S extends Any, Before> =
  IsOpen<S> extends true ? S : { [I in keyof S]: Follows<S[I], At<[Before, ...S], I>> }

type CheckedMember<Member> = Member extends AnySignature ? Member : NoSignature<Member>

type At<T extends Any, I> = I extends keyof T ? T[I] : never

/** `before.pipe(…rest)`. */
export type PipedOf<Before, S extends Any> = Signature<
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

/** `chain(…steps)`. Without steps it sends nothing: its handle is null. */
export type ChainOf<S extends Any> = S extends readonly []
  ? Signature<[], null, null>
  : Signature<
      ArgsOf<S[0]>,
      ResultOf<S extends readonly [infer Only] ? Only : LastStep<S>>,
      HandleOf<S extends readonly [infer Only] ? Only : LastStep<S>>
    >

/** Results of a group, in the order of its members. */
export type ResultsOf<S extends readonly AnySignature[]> = { -readonly [I in keyof S]: ResultOf<S[I]> }

/** An item of `task.map(items)`, which calls the task with that one argument. */
export type MapItem<A extends Any> = [Required<A>[0]] extends A
  ? A[0]
  : Mismatch<'map gives one argument, starmap a list of them; this task takes', A>

/** Arguments of `applyAsync`: options alone only where no argument is missing. */
export type ApplyArgs<A extends Any, Options> = [] extends A
  ? [options?: Options] | [args: A, options?: Options]
  : [args: A, options?: Options]
