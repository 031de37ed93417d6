import { mariadb } from './mariadb.ts'
import { memcached } from './memcached.ts'
import { postgres } from './postgres.ts'
import { pubsub } from './pubsub.ts'
import { rabbitmq } from './rabbitmq.ts'
import { redis } from './redis.ts'
import type { Service, ServiceName } from './service.ts'
import { sqs } from './sqs.ts'

/** Every service by its name. A new one is a file, a name in `service.ts`, a line here and a block in `compose.yaml`. */
export const CATALOGUE: Readonly<Record<ServiceName, Service>> = {
  redis,
  rabbitmq,
  postgres,
  mariadb,
  memcached,
  sqs,
  pubsub,
}
