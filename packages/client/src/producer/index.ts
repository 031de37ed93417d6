export { Producer } from './producer.ts'
export type { ProducerOptions, ProducerSettings, PublishOptions, SentEvent } from './producer-options.ts'
export { retryPolicy } from './retry-policy.ts'
