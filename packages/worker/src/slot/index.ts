export { locateApp } from './find-slot-app.ts'
export { isInSlot } from './in-slot.ts'
export type { SlotConfig, SlotRequest } from './slot-config.ts'
export type { LogLine } from './slot-logger.ts'
