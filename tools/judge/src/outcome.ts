/** What became of one tree, told without ids, so that outcomes of different fleets can be compared. */
import type { JournalEntry } from './journal.ts'

/** A document of a result in Redis. */
export interface StoredDocument {
  readonly task_id: string
  readonly status: string
  readonly result: unknown
  readonly children?: unknown
  readonly parent_id?: string | null
}

export interface Sent {
  readonly run: string
  /** As a tuple. */
  readonly handle: unknown
  readonly error: string | undefined
}

export interface Outcome {
  /** Building or sending it failed. */
  readonly error: string | undefined
  /** Who ran, with what, at which try; sorted. */
  readonly calls: readonly string[]
  /** State and value by name of the task. */
  readonly states: readonly (readonly [name: string, state: string])[]
  readonly children: readonly (readonly [name: string, children: string])[]
  readonly parents: readonly (readonly [name: string, parent: string])[]
  /** Shape of the handle: names of its results. */
  readonly handle: string
  /** The same without what came before. Celery's client forgets the steps of a chord's body but the last, ct's does not. */
  readonly end: string
}

const uuid = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g

export function outcomesOf(
  sent: readonly Sent[],
  entries: readonly JournalEntry[],
  documents: readonly StoredDocument[],
): Outcome[] {
  const byRun = Map.groupBy(entries, ({ run }) => run)
  const byParent = Map.groupBy(documents, ({ parent_id: parent }) => parent ?? '')
  const byId = new Map(documents.map((document) => [document.task_id, document]))
  const byPrefix = Map.groupBy(documents, ({ task_id: id }) => /^(r\d+)-/.exec(id)?.[1] ?? '')
  return sent.map((one) => {
    const own = byRun.get(one.run) ?? []
    const names = new Names(one.run, own)
    const mine = new Set<StoredDocument>()
    const take = (found: StoredDocument | undefined): void => {
      if (found === undefined || mine.has(found)) return
      // Another tree's, by an id that somebody passed on as a value.
      const other = /^(r\d+)-/.exec(found.task_id)?.[1]
      if (other !== undefined && other !== one.run) return
      mine.add(found)
      for (const id of idsIn(found.children)) take(byId.get(id))
      for (const child of byParent.get(found.task_id) ?? []) take(child)
    }
    for (const found of byPrefix.get(one.run) ?? []) take(found)
    for (const { id } of own) if (id !== null) take(byId.get(id))
    for (const id of idsIn(one.handle)) take(byId.get(id))
    for (const document of mine) names.chunks(document)
    // Ids that nobody can name are made anew wherever a chord is frozen again, so they are no part of the comparison.
    const sorted = [...mine]
      .map((document) => [names.of(document.task_id), document] as const)
      // Nor is what ran twice under one name (a link of several tasks): which of them is stored last is a race.
      .filter(([name]) => name !== '?' && !names.ambiguous.has(name))
    return {
      error: one.error,
      calls: own
        .map(({ tag, args, retries, stamps = [] }) => {
          const marks = stamps.length === 0 ? '' : ` stamped ${stamps.toSorted().join()}`
          return `${tag}${retries > 0 ? `#${retries}` : ''}(${names.text(args)})${marks}`
        })
        .toSorted(),
      states: sorted
        .map(([name, document]) => [name, `${document.status} ${names.text(valueOf(document))}`] as const)
        .toSorted(compareText),
      children: sorted
        .filter(([, { status }]) => status === 'SUCCESS')
        .map(
          ([name, { children }]) =>
            [name, names.text(Array.isArray(children) ? children.map(withoutParents) : [])] as const,
        )
        .toSorted(compareText),
      parents: sorted
        .map(([name, { parent_id: parent }]) => [name, parent == null ? 'none' : names.of(parent)] as const)
        .toSorted(compareText),
      handle: names.text(one.handle),
      end: names.text(withoutParents(one.handle)),
    }
  })
}

function compareText(a: readonly string[], b: readonly string[]): number {
  const [left, right] = [a.join(' '), b.join(' ')]
  return left < right ? -1 : left > right ? 1 : 0
}

/** Of an error its type and text: where a class lives, and what its stack was, is a matter of the language. */
function valueOf({ result }: StoredDocument): unknown {
  if (typeof result !== 'object' || result === null || !('exc_type' in result)) return result
  const { exc_type: type, exc_message: message } = result as { exc_type: unknown; exc_message?: unknown }
  return [type, message]
}

/** Of a handle as a tuple, `[[id, parent], members]`. A group of one group is that, as `apply_async` gives it. */
function withoutParents(handle: unknown): unknown {
  if (!Array.isArray(handle)) return handle
  const [[id], members] = handle as [readonly unknown[], unknown]
  if (!Array.isArray(members)) return [id, null]
  const inner = members.map(withoutParents) as (readonly [unknown, unknown])[]
  return inner.length === 1 && inner[0]![1] !== null ? inner[0] : [id, inner]
}

function isGroupId(own: unknown): boolean {
  return Array.isArray(own) && own.length === 2 && typeof own[0] === 'string'
}

function isMemberTuple(member: unknown): member is readonly [readonly [string, unknown], null] {
  return Array.isArray(member) && member.length === 2 && isGroupId(member[0]) && member[1] === null
}

function idsIn(value: unknown): string[] {
  if (typeof value === 'string') return [value]
  return Array.isArray(value) ? value.flatMap(idsIn) : []
}

/** Ids of one run as names: those given beforehand, and those that the journal tells; `?` for all others. */
class Names {
  readonly #run: string
  readonly #byId = new Map<string, string>()
  /** Ran more than once at the same try. */
  readonly ambiguous: ReadonlySet<string>

  constructor(run: string, entries: readonly JournalEntry[]) {
    this.#run = run
    const tries = Map.groupBy(entries, ({ tag, retries }) => `${tag}#${retries}`)
    this.ambiguous = new Set(
      [...tries.values()].filter((list) => list.length > 1).map(([first]) => first!.tag),
    )
    for (const { id, tag } of entries) {
      const known = id === null ? undefined : this.#byId.get(id)
      if (id !== null && (known === undefined || tag < known)) this.#byId.set(id, tag)
    }
  }

  /** What `celery.chunks` sent is named by its own name and the place in its group, which is its result. */
  chunks({ task_id: id, result }: StoredDocument): void {
    const name = this.of(id)
    if (name === '?' || !Array.isArray(result) || result.length !== 2) return
    const [own, members] = result as readonly unknown[]
    if (!isGroupId(own) || !Array.isArray(members) || !members.every(isMemberTuple)) return
    for (const [at, [[member]]] of members.entries())
      if (this.of(member) === '?') this.#byId.set(member, `${name}/${at}`)
  }

  of(id: string): string {
    return id.startsWith(`${this.#run}-`) ? id.slice(this.#run.length + 1) : (this.#byId.get(id) ?? '?')
  }

  text(value: unknown): string {
    return JSON.stringify(value)
      .replaceAll(new RegExp(`\\b${this.#run}-(t\\d+)\\b`, 'g'), '$1')
      .replaceAll(uuid, (id) => this.of(id))
  }
}
