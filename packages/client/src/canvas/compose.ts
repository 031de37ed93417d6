import { Chain } from './chain.ts'
import { Chord } from './chord.ts'
import { Group } from './group.ts'
import { piped } from './pipe.ts'
import type { AnySignature, Signature } from './signature.ts'
import type {
  ArgsOf,
  ChainOf,
  CheckedSteps,
  HandleOf,
  ResultOf,
  ResultsOf,
  StepDoesNotAccept,
} from './signature-types.ts'

/** What `group(members)` gives. */
export type GroupOf<S extends readonly AnySignature[]> = Group<GroupArgs<S>, ResultsOf<S>>

type GroupArgs<S extends readonly AnySignature[]> = [S[number]] extends [never] ? [] : ArgsOf<S[number]>

/**
 * Steps one after the other, each with the result of the one before as its first argument: `chain(a, b, c)` is `a.pipe(b, c)`. A group
 * that is followed by something becomes a chord. `chain(add.s(2, 2), add.s(4))` gives 8.
 */
export function chain<const S extends readonly AnySignature[]>(...steps: S & CheckedSteps<S>): ChainOf<S> {
  const given = steps as readonly AnySignature[]
  const [first, ...rest] = given
  const made = rest.length === 0 ? new Chain({ app: undefined, tasks: given }) : piped(first!, ...rest)
  return made as unknown as ChainOf<S>
}

/** All at once; the result is the list of theirs, in order. Takes a list, or the members one by one. */
export function group<const S extends readonly AnySignature[]>(members: S): GroupOf<S>
export function group<const S extends readonly AnySignature[]>(...members: S): GroupOf<S>
export function group(members: Iterable<AnySignature>): GroupOf<readonly AnySignature[]>
export function group(...given: readonly unknown[]): unknown {
  const [first] = given
  const members =
    given.length === 1 && first instanceof Group
      ? (first as Group).tasks
      : given.length === 1 && typeof first === 'object' && first !== null && Symbol.iterator in first
        ? [...(first as Iterable<AnySignature>)]
        : (given as readonly AnySignature[])
  return new Group({ app: undefined, tasks: members })
}

/** What a header gives to the body. */
type HeaderResults<H> = H extends readonly AnySignature[] ? ResultsOf<H> : ResultOf<H>
type HeaderArgs<H> = H extends readonly AnySignature[] ? GroupArgs<H> : ArgsOf<H>

type CheckedBody<H, B> =
  unknown extends HeaderResults<H>
    ? B
    : [HeaderResults<H>] extends ArgsOf<B>
      ? B
      : StepDoesNotAccept<HeaderResults<H>, ArgsOf<B>>

/** A header whose members run at once, and a body that gets the list of their results when all have succeeded. */
export function chord<const H extends AnySignature | readonly AnySignature[], B extends AnySignature>(
  header: H,
  body: B & CheckedBody<H, B>,
): Signature<HeaderArgs<H>, ResultOf<B>, HandleOf<B>> {
  const given = header as AnySignature | readonly AnySignature[]
  const members = Array.isArray(given)
    ? (given as readonly AnySignature[])
    : given instanceof Group
      ? (given as Group).tasks
      : [given as AnySignature]
  return new Chord({
    app: undefined,
    header: members,
    body: body as AnySignature,
  }) as unknown as Signature<HeaderArgs<H>, ResultOf<B>, HandleOf<B>>
}
