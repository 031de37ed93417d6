/**
 * Steps in their order (celery/bootsteps.py 5.7, `Blueprint`).
 *
 *   idle ──start──► starting ─► running ──close──► closing ─┬─ stop ──────► stopped ──start──► …
 *                       │                                   └─ terminate ─► stopped
 *                       └─ a step fails ─► those started are stopped by whoever started it
 *
 * A step starts when all it requires have started, and stops before they stop. What one of them throws while stopping is logged; the others
 * stop all the same.
 */
import type { Logger, Step, StepClass, StepOptions } from '@ct/client'
import { ConfigurationError } from '@ct/contracts'

export interface BlueprintOptions<P> {
  /** `Worker` or `Consumer`: for messages. */
  readonly name: string
  /** Steps that are there anyway. Their order among each other is that of the list. */
  readonly own: readonly StepClass<P>[]
  readonly added: Iterable<StepClass<P>>
  readonly log: Logger
}

interface Made<P> {
  readonly name: string
  readonly step: Step<P>
  started: boolean
}

export class Blueprint<P> {
  readonly #options: BlueprintOptions<P>
  readonly #made: Made<P>[] = []

  /** Throws `CT_CONFIGURATION` for a requirement that nobody has, one that goes in a circle, and two steps of one name. */
  constructor(parent: P, stepOptions: StepOptions, options: BlueprintOptions<P>) {
    this.#options = options
    for (const step of ordered(options)) {
      if (step.includeIf?.(parent, stepOptions) === false) continue
      this.#made.push({ name: nameOf(step), step: new step(parent, stepOptions), started: false })
    }
  }

  /** Names of the steps, in the order of starting. */
  get names(): readonly string[] {
    return this.#made.map(({ name }) => name)
  }

  /** The step of that class or name, for other steps. */
  find(step: StepClass<P> | string): Step<P> | undefined {
    const wanted = typeof step === 'string' ? step : nameOf(step)
    return this.#made.find(({ name }) => name === wanted)?.step
  }

  /** Rejects with what a step throws; those that have started are the caller's to stop. */
  async start(parent: P): Promise<void> {
    for (const made of this.#made) {
      if (made.started) continue
      made.started = true
      await made.step.start?.(parent)
    }
  }

  async close(parent: P): Promise<void> {
    await this.#each('close', this.#started(), (step) => step.close?.(parent))
  }

  /** In the reverse order of starting; those that run. */
  async stop(parent: P, terminate: boolean = false): Promise<void> {
    await this.#each(terminate ? 'terminate' : 'stop', this.#started(), (step, made) => {
      made.started = false
      return terminate && step.terminate !== undefined ? step.terminate(parent) : step.stop?.(parent)
    })
  }

  async shutdown(parent: P): Promise<void> {
    await this.#each('shutdown', this.#made.toReversed(), (step) => step.shutdown?.(parent))
  }

  info(parent: P): Record<string, unknown> {
    const all: Record<string, unknown> = {}
    for (const { name, step } of this.#made) {
      try {
        Object.assign(all, step.info?.(parent))
      } catch (error) {
        this.#complain('info', name, error)
      }
    }
    return all
  }

  #started(): Made<P>[] {
    return this.#made.filter(({ started }) => started).toReversed()
  }

  async #each(
    what: string,
    steps: readonly Made<P>[],
    run: (step: Step<P>, made: Made<P>) => unknown,
  ): Promise<void> {
    for (const made of steps) {
      try {
        await run(made.step, made)
      } catch (error) {
        this.#complain(what, made.name, error)
      }
    }
  }

  #complain(what: string, name: string, error: unknown): void {
    this.#options.log.error(`${what} of the bootstep ${name} raised an error; the others go on.`, { error })
  }
}

export function nameOf<P>(step: StepClass<P>): string {
  return step.stepName ?? step.name
}

/** `celery.worker.components:Pool` is the Pool. */
function shortName(name: string): string {
  return name.slice(name.lastIndexOf(':') + 1)
}

/** Names of the steps in the order of starting, with the names of those that each requires. */
export function orderOf<P>(
  options: Pick<BlueprintOptions<P>, 'name' | 'own' | 'added'>,
): readonly { readonly name: string; readonly requires: readonly string[] }[] {
  return ordered(options).map((step) => ({
    name: nameOf(step),
    requires: [...(step.requires ?? [])].map((one) =>
      typeof one === 'string' ? shortName(one) : nameOf(one),
    ),
  }))
}

/** Requirements first; otherwise the steps that are there anyway before those that were added, as listed, and those that are to be last behind. */
function ordered<P>({
  name: blueprint,
  own,
  added,
}: Pick<BlueprintOptions<P>, 'name' | 'own' | 'added'>): readonly StepClass<P>[] {
  const all = [...own, ...added]
  const order = [
    ...all.filter((step) => step.last !== true),
    ...[...added].filter((step) => step.last === true),
  ]
  const ends = own.filter((step) => step.last === true)
  const byName = new Map<string, StepClass<P>>()
  for (const step of [...order, ...ends]) {
    const name = nameOf(step)
    const other = byName.get(name)
    if (other !== undefined && other !== step) {
      throw new ConfigurationError(
        `There are two bootsteps named "${name}". Give one of them another name: static readonly stepName = '…'.`,
      )
    }
    byName.set(name, step)
  }
  const done: StepClass<P>[] = []
  const open: StepClass<P>[] = []
  const visit = (step: StepClass<P>): void => {
    if (done.includes(step)) return
    if (open.includes(step)) {
      const circle = [...open.slice(open.indexOf(step)), step].map(nameOf).join(' → ')
      throw new ConfigurationError(`Bootsteps require each other in a circle: ${circle}.`)
    }
    open.push(step)
    for (const required of step.requires ?? []) {
      const name = typeof required === 'string' ? shortName(required) : nameOf(required)
      // A class that is required need not be added besides.
      const found = byName.get(name) ?? (typeof required === 'string' ? undefined : required)
      if (found === undefined) {
        throw new ConfigurationError(
          `The bootstep "${nameOf(step)}" requires "${name}", which the ${blueprint} does not have. It has ${[...byName.keys()].join(', ')}.`,
        )
      }
      visit(found)
    }
    open.pop()
    done.push(step)
  }
  for (const step of [...order, ...ends]) visit(step)
  return done
}
