/** What threads and children of a pool load (`PoolStartOptions.entry`): a file of its own, also in a bundle. */
export { openSlot } from './slot/open-slot.ts'
