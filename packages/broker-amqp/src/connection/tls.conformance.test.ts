/** `amqps://` through a TLS end in front of the test server: the certificates of both sides are checked. */
import { once } from 'node:events'
import { readFileSync, rmSync } from 'node:fs'
import { connect, type AddressInfo } from 'node:net'
import { createServer, type TLSSocket } from 'node:tls'
import { freshVhost, makeCertificates, tryServices } from '@ct-tools/services'
import { expect, it } from 'vitest'
import { amqpBroker } from '../index.ts'

const ready = await tryServices(['rabbitmq'])

it.skipIf(ready === undefined)(
  'TRANS-1, SEC-51: amqps with a client certificate',
  async () => {
    await using vhost = await freshVhost()
    const certificates = await makeCertificates()
    const { caFile, certFile, keyFile, clientCertFile, clientKeyFile } = certificates
    const plain = new URL(vhost.url)
    const seen: (string | undefined)[] = []
    const server = createServer(
      {
        cert: readFileSync(certFile),
        key: readFileSync(keyFile),
        ca: readFileSync(caFile),
        requestCert: true,
        rejectUnauthorized: true,
      },
      (near: TLSSocket) => {
        const name = near.getPeerCertificate().subject?.CN
        seen.push(Array.isArray(name) ? name[0] : name)
        const far = connect(Number(plain.port), plain.hostname)
        near.on('error', () => far.destroy())
        far.on('error', () => near.destroy())
        near.pipe(far).pipe(near)
      },
    )
    server.on('tlsClientError', () => {})
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const url = new URL(vhost.url.replace('amqp:', 'amqps:'))
    url.hostname = 'localhost'
    url.port = String((server.address() as AddressInfo).port)
    const both = { sslCaCerts: caFile, sslCertfile: clientCertFile, sslKeyfile: clientKeyFile }
    try {
      const broker = amqpBroker({ url: url.href, ...both })
      const connection = await broker.connect({ onNotice: () => {} })
      await connection.declare([
        { name: 'q', durable: true, exclusive: false, autoDelete: false, bindings: [] },
      ])
      expect(await connection.queueSize('q')).toBe(0)
      await broker.close()
      expect(seen).toEqual(['ct test client'])
      for (const options of [
        { sslCertfile: clientCertFile, sslKeyfile: clientKeyFile },
        { sslCaCerts: caFile },
      ]) {
        const refused = amqpBroker({ url: url.href, ...options })
        await expect(refused.connect({ onNotice: () => {} })).rejects.toMatchObject({
          code: 'CT_BROKER_UNAVAILABLE',
        })
        await refused.close()
      }
      const missing = amqpBroker({ url: url.href, ...both, sslCaCerts: '/no/such/file.pem' })
      await expect(missing.connect({ onNotice: () => {} })).rejects.toMatchObject({
        code: 'CT_CONFIGURATION',
      })
    } finally {
      server.close()
      await once(server, 'close')
      rmSync(certificates.folder, { recursive: true, force: true })
    }
  },
  30_000,
)
