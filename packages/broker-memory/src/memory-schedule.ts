/** Periodic entries of the hub, and who leads. */
import { CeleryError, type StoredScheduleEntry } from '@ct/contracts'

export class MemorySchedule {
  readonly #entries = new Map<string, StoredScheduleEntry>()
  #leader: { readonly holder: string; readonly token: number; readonly expiresAt: number } | undefined
  #lastToken = 0
  #changes = 0

  get changes(): number {
    return this.#changes
  }

  entries(): readonly StoredScheduleEntry[] {
    return [...this.#entries.values()]
  }

  save(put: readonly StoredScheduleEntry[], remove: readonly string[], token: number | undefined): void {
    this.check(token)
    for (const entry of put) this.#entries.set(entry.name, structuredClone(entry))
    for (const name of remove) this.#entries.delete(name)
    this.#changes++
  }

  lead(holder: string, ttlMs: number): { readonly token: number; readonly expiresAt: number } | undefined {
    const now = Date.now()
    const leader = this.#leader !== undefined && this.#leader.expiresAt > now ? this.#leader : undefined
    if (leader !== undefined && leader.holder !== holder) return undefined
    const token = leader?.token ?? ++this.#lastToken
    this.#leader = { holder, token, expiresAt: now + ttlMs }
    return { token, expiresAt: now + ttlMs }
  }

  resign(holder: string): void {
    if (this.#leader?.holder === holder) this.#leader = undefined
  }

  /** A token is good until somebody else got a higher one, even when its time is over. */
  check(token: number | undefined): void {
    if (token === undefined || token === this.#lastToken) return
    throw new CeleryError(
      'CT_LEASE_LOST',
      `Another beat leads now (token ${this.#lastToken}, ours is ${token}).`,
    )
  }
}
