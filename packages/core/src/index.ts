/** What people install: client, worker and the `ct` command, with JSON and the memory broker, wired together. */
export * from '@ct/client'
export * from '@ct/worker'
export * from '@ct/beat'
export type { CliCommand, CliCommandContext } from '@ct/cli'
export { memoryBackend, memoryBroker } from '@ct/broker-memory'
export { App, createApp } from './app.ts'
