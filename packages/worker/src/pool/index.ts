export { asyncPool, canAbandon, soloPool, type EventLoopTicket } from './event-loop-pool.ts'
export { Fifo } from './fifo.ts'
