/**
 * Finds the server to talk to, anew at each connect: the address itself, the master that the sentinels agree on, or the cluster
 * node that owns our one slot. From there on every link is a plain one; a failover shows as a lost connection.
 */
import { Buffer } from 'node:buffer'
import type { RedisCredentials, RedisServer } from '../options/server-options.ts'
import { hashSlot } from './hash-slot.ts'
import { Link, type Address, type LinkOptions } from './link.ts'
import { throwIfAborted, toFailure, type FailureFamily } from './failure.ts'

export interface OpenOptions {
  readonly family: FailureFamily
  readonly signal?: AbortSignal | undefined
}

/** A server found, ready to open links to. */
export interface Endpoint {
  readonly address: Address
  open(role: string, onLost: (error: Error) => void, signal?: AbortSignal): Promise<Link>
}

/** `prefix` decides the slot in a cluster. Errors: the family's, `CT_ABORTED`. */
export async function findEndpoint(
  server: RedisServer,
  prefix: string,
  options: OpenOptions,
): Promise<Endpoint> {
  const credentials = (await server.credentialProvider?.()) ?? server.credentials
  const address = await locate(server, prefix, credentials, options)
  const base = { tls: server.tls, credentials, db: server.db, server, family: options.family }
  return {
    address,
    open: (role, onLost, signal) => Link.open({ ...base, address, role, onLost, signal }),
  }
}

function locate(
  server: RedisServer,
  prefix: string,
  credentials: RedisCredentials,
  options: OpenOptions,
): Promise<Address> | Address {
  if (server.kind === 'socket') return { path: server.path as string }
  if (server.kind === 'sentinel')
    return askEach(server, options, { ...server.sentinel, what: 'sentinel' }, (link) =>
      masterAt(link, server),
    )
  if (server.kind === 'cluster') {
    return askEach(
      server,
      options,
      { ...credentials, tls: server.tls, timeoutMs: server.connectTimeoutMs, what: 'cluster node' },
      (link) => ownerAt(link, hashSlot(Buffer.from(prefix))),
    )
  }
  return server.hosts[0] as Address
}

type Asker = RedisCredentials &
  Pick<LinkOptions, 'tls'> & { readonly timeoutMs: number; readonly what: string }

/** The first that answers with an address wins. */
async function askEach(
  server: RedisServer,
  { family, signal }: OpenOptions,
  asker: Asker,
  ask: (link: Link) => Promise<Address>,
): Promise<Address> {
  const problems: string[] = []
  for (const host of server.hosts) {
    throwIfAborted(signal, 'Connecting to Redis')
    let link: Link | undefined
    try {
      link = await Link.open({
        address: host,
        tls: asker.tls,
        credentials: asker,
        db: 0,
        server: {
          ...server,
          connectTimeoutMs: asker.timeoutMs,
          socketTimeoutMs: asker.timeoutMs,
          healthCheckMs: 0,
        },
        family,
        role: 'find',
        signal,
        onLost: () => undefined,
      })
      const found = await ask(link)
      return found.host === '' ? { ...found, host: host.host } : found
    } catch (error) {
      throwIfAborted(signal, 'Connecting to Redis')
      problems.push(`${host.host}:${host.port}: ${(error as Error).message}`)
    } finally {
      await link?.close()
    }
  }
  throw new family.unavailable(`No ${asker.what} could tell where Redis is. ${problems.join('; ')}`)
}

async function masterAt(link: Link, server: RedisServer): Promise<Address> {
  const name = server.masterName as string
  if (server.minOtherSentinels > 0) {
    const others = (await link.send('sentinel', ['sentinels', name])) as unknown[]
    if (others.length < server.minOtherSentinels) {
      throw new Error(`it knows ${others.length} other sentinels of ${name}, not ${server.minOtherSentinels}`)
    }
  }
  const found = (await link.send('sentinel', ['get-master-addr-by-name', name])) as [Buffer, Buffer] | null
  if (found === null) throw new Error(`it knows no master named ${JSON.stringify(name)}`)
  return { host: String(found[0]), port: Number(String(found[1])) }
}

async function ownerAt(link: Link, slot: number): Promise<Address> {
  try {
    const ranges = (await link.send('cluster', ['slots'])) as [number, number, [Buffer | null, number]][]
    const range = ranges.find(([from, to]) => from <= slot && slot <= to)
    if (range === undefined) throw new Error(`no node owns slot ${slot}`)
    // An empty host means "the one you asked".
    return { host: String(range[2][0] ?? ''), port: range[2][1] }
  } catch (error) {
    throw toFailure(error, link.family, link.where, 'find the node of our slot')
  }
}
