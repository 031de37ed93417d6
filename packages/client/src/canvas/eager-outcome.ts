/** How a task ended that ran in this process. */
export interface EagerOutcome {
  readonly id: string
  readonly name: string
  /** SUCCESS, FAILURE, IGNORED, REJECTED. */
  readonly state: string
  /** Return value, or the error. */
  readonly value: unknown
  readonly traceback: string | null
  /** The step before. */
  readonly parent: EagerOutcome | null
  /** Members, when it is a group. */
  readonly members: readonly EagerOutcome[] | null
}
