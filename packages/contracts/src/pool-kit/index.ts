/** What pools of threads and of processes have in common (docs/adr): jobs, slots, replacing; and the slot's own end. */
export type { ErrorData } from './error-data.ts'
export { errorData, errorFrom } from './error-data.ts'
export type { OpenSlotOptions, SlotChannel, SlotExit, SlotTransport } from './slot-transport.ts'
export { serveSlot, type SlotLink } from './serve-slot.ts'
export type { FromSlot, ToSlot } from './slot-frames.ts'
export { defineSlotPool } from './slot-pool.ts'
export type { PoolFigures, SlotPoolDefinition } from './slot-pool-definition.ts'
