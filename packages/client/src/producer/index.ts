export { Producer } from './producer.ts'
export type { ProducerOptions, ProducerSettings, PublishOptions, SentEvent } from './producer-options.ts'
