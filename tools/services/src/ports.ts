import { randomInt } from 'node:crypto'
import { createServer } from 'node:net'

/**
 * Ports of the shared services. All lie below the range from which systems take outgoing ports (32768 and up on Linux),
 * so that no outgoing connection can sit on them, and away from every server's own default.
 */
export const SERVICE_PORTS = {
  redis: 21_379,
  rabbitmq: 21_672,
  rabbitmqManagement: 21_673,
  rabbitmqDistribution: 21_674,
  rabbitmqEpmd: 21_675,
  postgres: 21_432,
  mariadb: 21_306,
  memcached: 21_211,
  sqs: 21_324,
  pubsub: 21_085,
} as const

/** A port that is free now. Taken from 22000–31999, for the same reason; a restart on the same port finds it free. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(22_000, 32_000)
    if (await isFree(port)) return port
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen({ host: '127.0.0.1', port, exclusive: true }, () => server.close(() => resolve(true)))
  })
}
