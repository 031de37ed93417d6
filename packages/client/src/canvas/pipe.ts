/** One thing after another: what Python writes as `left | right` (celery/canvas.py 5.7, `__or__` of each kind). */
import { canvasParts } from './canvas-part.ts'
import { Chain, stepsOf } from './chain.ts'
import { Chord } from './chord.ts'
import { Group } from './group.ts'
import { definePipe } from './signature.ts'
import type { AnySignature } from './signature.ts'

/** `left`, then each of `rest` with the result of the one before. Operands are not changed; what follows a group waits for all of it. */
export function piped(left: AnySignature, rest: readonly AnySignature[]): AnySignature {
  const line = new Line(left)
  for (const right of canvasParts('pipe: step', rest)) line.append(right)
  return line.signature()
}

/**
 * What was put together so far: the steps of a chain, which are a list of this line's own, or one signature. Appending a step costs the step,
 * not the chain.
 */
class Line {
  #steps: AnySignature[] | undefined
  #whole: AnySignature
  /** Of the chain that the steps were taken from: what is linked to it as a whole stays with it where its last step is widened. */
  #options: Readonly<Record<string, unknown>> = {}
  /** The chord at the end whose body is being put together; that which stands at the end is as it was before. */
  #growing: { readonly chord: Chord; readonly body: Line } | undefined

  constructor(first: AnySignature) {
    this.#whole = first
    if (first instanceof Chain) {
      this.#steps = [...(first as Chain).tasks]
      this.#options = first.options
    }
  }

  signature(): AnySignature {
    this.#grown()
    if (this.#steps === undefined) return this.#whole
    const { app } = this.#whole
    return new Chain({ app, tasks: this.#steps, options: this.#options })
  }

  append(next: AnySignature): void {
    if (this.#steps !== undefined) this.#chainThen(this.#steps, next)
    else if (this.#whole instanceof Group) this.#groupThen(this.#whole as Group, next)
    else if (this.#whole instanceof Chord) this.#chordThen(this.#whole as Chord, next)
    else this.#begin([this.#whole, ...asSteps(next)])
  }

  #chainThen(steps: AnySignature[], given: AnySignature): void {
    const next = unrolled(given)
    if (next instanceof Chain) {
      for (const step of stepsOf(next as Chain)) this.append(step)
      return
    }
    const last = steps.at(-1)
    if (next instanceof Group) {
      if ((next as Group).tasks.length === 0) return
      if (last === undefined) this.#become(next)
      else if (last instanceof Chord) {
        this.#grow(this.#unlinked().at(-1) as Chord, next)
      } else this.#push(next)
      return
    }
    if (last instanceof Group) {
      const chord = awaited(last as Group, next)
      const before = steps.at(-2)
      if (before instanceof Chord) {
        steps.pop()
        this.#grow(before as Chord, chord)
      } else steps[steps.length - 1] = chord
    } else if (last instanceof Chord && !(next instanceof Chord)) this.#grow(last as Chord, next)
    else this.#push(next)
  }

  #groupThen(group: Group, next: AnySignature): void {
    // Python makes a chord without a body of it, which fails when it is sent.
    if (next instanceof Chain && (next as Chain).tasks.length === 0) return
    if (next instanceof Group && (next as Group).tasks.length === 0) return
    this.#whole = awaited(group, next)
  }

  #chordThen(chord: Chord, given: AnySignature): void {
    const next = unrolled(given)
    if (given instanceof Chain || (next === given && next instanceof Group)) {
      this.#grown()
      this.#begin([this.#whole, ...asSteps(next)])
    } else this.#grow(chord, next)
  }

  /** Appends to the body of the chord at the end: the body is made once, when all is appended. */
  #grow(chord: Chord, next: AnySignature): void {
    this.#growing ??= { chord, body: new Line(chord.body) }
    this.#growing.body.append(next)
  }

  #grown(): void {
    const growing = this.#growing
    if (growing === undefined) return
    this.#growing = undefined
    const made = growing.chord.withBody(growing.body.signature())
    if (this.#steps === undefined) this.#whole = made
    else this.#steps[this.#steps.length - 1] = made
  }

  #push(next: AnySignature): void {
    this.#grown()
    this.#unlinked().push(next)
  }

  /** The steps, after what was linked to the chain as a whole has been linked to them. */
  #unlinked(): AnySignature[] {
    if (this.#options['link'] !== undefined || this.#options['link_error'] !== undefined) {
      this.#steps = [...stepsOf(this.signature() as Chain)]
    }
    this.#options = {}
    return this.#steps!
  }

  #begin(steps: AnySignature[]): void {
    this.#steps = steps
    this.#options = {}
  }

  #become(whole: AnySignature): void {
    this.#steps = undefined
    this.#options = {}
    this.#whole = whole
  }
}

function asSteps(signature: AnySignature): readonly AnySignature[] {
  return signature instanceof Chain ? stepsOf(signature as Chain) : [unrolled(signature)]
}

/** A group of one is its member. */
function unrolled(signature: AnySignature): AnySignature {
  return signature instanceof Group && (signature as Group).tasks.length === 1
    ? (signature as Group).tasks[0]!
    : signature
}

function awaited(group: Group, body: AnySignature): Chord {
  return new Chord({ app: group.app ?? body.app, header: group.tasks, body })
}

definePipe(piped)
