import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ServiceError } from './errors.ts'
import { guardedDirectory } from './guard.ts'
import { PrivateRedis, type PrivateRedisOptions } from './private-redis.ts'
import { run } from './run.ts'

/** PEM files of a certification authority made for the occasion, and of a server and a client that it signed. */
export interface TestCertificates {
  folder: string
  caFile: string
  certFile: string
  keyFile: string
  clientCertFile: string
  clientKeyFile: string
}

/** Makes certificates for `localhost` and `127.0.0.1` with openssl, in a temporary folder. */
export async function makeCertificates(): Promise<TestCertificates> {
  const folder = guardedDirectory('tls')
  const openssl = async (...args: string[]): Promise<void> => {
    const { code, stderr } = await run('openssl', args, { cwd: folder })
    if (code !== 0)
      throw new ServiceError('CT_SERVICE_FAILED', `openssl ${args[0]} failed (is it installed?):\n${stderr}`)
  }
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
  await openssl(
    'req',
    '-x509',
    ...key,
    '-days',
    '30',
    '-subj',
    '/CN=ct test CA',
    '-keyout',
    'ca.key',
    '-out',
    'ca.crt',
  )
  writeFileSync(join(folder, 'names.txt'), 'subjectAltName=DNS:localhost,IP:127.0.0.1\n')
  for (const name of ['server', 'client']) {
    await openssl(
      'req',
      ...key,
      '-subj',
      `/CN=ct test ${name}`,
      '-keyout',
      `${name}.key`,
      '-out',
      `${name}.csr`,
    )
    const signing = [
      '-CA',
      'ca.crt',
      '-CAkey',
      'ca.key',
      '-CAcreateserial',
      '-days',
      '30',
      '-extfile',
      'names.txt',
    ]
    await openssl('x509', '-req', '-in', `${name}.csr`, ...signing, '-out', `${name}.crt`)
  }
  const path = (name: string): string => join(folder, name)
  return {
    folder,
    caFile: path('ca.crt'),
    certFile: path('server.crt'),
    keyFile: path('server.key'),
    clientCertFile: path('client.crt'),
    clientKeyFile: path('client.key'),
  }
}

export interface PrivateRedisTls extends AsyncDisposable {
  server: PrivateRedis
  /** `rediss://localhost:port/0`. */
  url: string
  certificates: TestCertificates
}

/** `startPrivateRedis`, speaking TLS only, with a certificate that nobody trusts who does not know its CA. */
export async function startPrivateRedisTls(options: PrivateRedisOptions = {}): Promise<PrivateRedisTls> {
  const certificates = await makeCertificates()
  const server = await PrivateRedis.start({ ...options, tls: certificates })
  return {
    server,
    url: server.url,
    certificates,
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]()
      rmSync(certificates.folder, { recursive: true, force: true })
    },
  }
}
