/** What schedule stores have in common that keep their own log of changes (docs/adr/0025). */
export { ChangeLog, changesPerLook, type LoggedChanges } from './change-log.ts'
