/** What is sent when: as it is declared, as a store holds it, as beat works with it. */
export { addedEntries, configuredEntries } from './configured-entries.ts'
export { declareEntry } from './declare-entry.ts'
export type { DeclaredEntry, LazyArguments } from './declare-entry.ts'
export { isSameDeclaration, readEntry } from './entry.ts'
export type { Entry, EntryReading } from './entry.ts'
export type { BeatSchedule, PeriodicTaskInput } from './entry-input.ts'
