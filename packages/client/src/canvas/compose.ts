import { canvasPart, canvasParts } from './canvas-part.ts'
import { Chain } from './chain.ts'
import { Chord } from './chord.ts'
import { Group } from './group.ts'
import { piped } from './pipe.ts'
import type { AnySignature, Signature } from './signature.ts'
import type {
  ArgsOf,
  ChainOf,
  CheckedBody,
  CheckedSteps,
  GroupArgs,
  HandleOf,
  ResultOf,
  ResultsOf,
} from './signature-types.ts'

/** What `group(members)` gives. */
export type GroupOf<S extends readonly AnySignature[]> = Group<GroupArgs<S>, ResultsOf<S>>

/** A generator, say. */
interface NoList {
  readonly length?: undefined
}

/**
 * Steps one after the other, each with the result of the one before as its first argument: `chain(a, b, c)` is `a.pipe(b, c)`. A group
 * that is followed by something becomes a chord. `chain(add.s(2, 2), add.s(4))` gives 8.
 */
export function chain<S extends readonly unknown[]>(...steps: CheckedSteps<S>): ChainOf<S> {
  const given = canvasParts('chain: step', steps)
  const [first, ...rest] = given
  const made = rest.length === 0 ? new Chain({ app: undefined, tasks: given }) : piped(first!, rest)
  return made as unknown as ChainOf<S>
}

/** All at once; the result is the list of theirs, in order. Takes a list, or the members one by one. */
export function group<const S extends readonly AnySignature[]>(...members: S): GroupOf<S>
export function group<S extends AnySignature>(members: Iterable<S> & NoList): GroupOf<readonly S[]>
// Last, because it is the one that compilers speak of when none fits.
export function group<const S extends readonly AnySignature[]>(members: S): GroupOf<S>
export function group(...given: readonly unknown[]): unknown {
  const [first] = given
  const members =
    given.length === 1 && first instanceof Group
      ? (first as Group).tasks
      : given.length === 1 && typeof first === 'object' && first !== null && Symbol.iterator in first
        ? [...(first as Iterable<unknown>)]
        : given
  return new Group({ app: undefined, tasks: canvasParts('group: member', members) })
}

type HeaderArgs<H> = H extends readonly AnySignature[]
  ? GroupArgs<H>
  : H extends Iterable<infer Member>
    ? ArgsOf<Member>
    : ArgsOf<H>

/** A header whose members run at once, and a body that gets the list of their results when all have succeeded. */
export function chord<const H extends AnySignature | Iterable<AnySignature>, B>(
  header: H,
  body: CheckedBody<H, B>,
): Signature<HeaderArgs<H>, ResultOf<B>, HandleOf<B>> {
  const given: unknown = header
  const members =
    given instanceof Group
      ? (given as Group).tasks
      : typeof given === 'object' && given !== null && Symbol.iterator in given
        ? canvasParts('chord: member', [...(given as Iterable<unknown>)])
        : [canvasPart('chord: the header', given)]
  return new Chord({
    app: undefined,
    header: members,
    body: canvasPart('chord: the body', body),
  }) as unknown as Signature<HeaderArgs<H>, ResultOf<B>, HandleOf<B>>
}
