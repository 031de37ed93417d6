import { ConfigurationError } from '@ct/contracts'
import { canvasPart, canvasParts } from './canvas-part.ts'
import { Chain } from './chain.ts'
import { Chord } from './chord.ts'
import { Group } from './group.ts'
import { LazyMembers } from './lazy-members.ts'
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
  // What the steps take and give was checked by types; put together it is told no more.
  return made as unknown as ChainOf<S>
}

/**
 * All at once; the result is the list of theirs, in order. Takes a list, or the members one by one, or anything that can be walked through. Of a
 * generator the first member is drawn now, the others as the group is sent: each step goes out before the next is drawn, and what it throws meanwhile
 * is thrown by the call that sends. They are kept. As a part of another canvas all are drawn when that is built.
 */
export function group<const S extends readonly AnySignature[]>(...members: S): GroupOf<S>
export function group<S extends AnySignature>(members: Iterable<S> & NoList): GroupOf<readonly S[]>
// Last, because it is the one that compilers speak of when none fits.
export function group<const S extends readonly AnySignature[]>(members: S): GroupOf<S>
export function group(...given: readonly unknown[]): unknown {
  return new Group({ app: undefined, tasks: membersOf(given) })
}

function membersOf(given: readonly unknown[]): readonly AnySignature[] | LazyMembers {
  const [first] = given
  if (given.length === 1 && first instanceof Group) return (first as Group).tasks
  if (given.length !== 1 || !isIterable(first)) return canvasParts('group: member', given)
  return LazyMembers.isOf(first) ? new LazyMembers(first) : canvasParts('group: member', [...first])
}

function isIterable(value: unknown): value is Iterable<unknown> {
  return typeof value === 'object' && value !== null && Symbol.iterator in value
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
  ...others: never[]
): Signature<HeaderArgs<H>, ResultOf<B>, HandleOf<B>> {
  if (others.length > 0)
    throw new ConfigurationError(
      'chord takes a header and a body. Options go into set: chord(header, body).set({ queue: "reports" }).',
    )
  const given: unknown = header
  const members =
    given instanceof Group
      ? (given as Group).tasks
      : isIterable(given)
        ? // Bounded: a generator may never end.
          LazyMembers.isOf(given)
          ? new LazyMembers(given, 'chord: member').all()
          : canvasParts('chord: member', [...given])
        : [canvasPart('chord: the header', given)]
  return new Chord<HeaderArgs<H>, ResultOf<B>, HandleOf<B>>({
    app: undefined,
    header: members,
    body: canvasPart('chord: the body', body),
  })
}
