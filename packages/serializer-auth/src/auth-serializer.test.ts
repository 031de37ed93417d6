import { execFileSync } from 'node:child_process'
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { memoryBackend, memoryBroker } from '@ct/broker-memory'
import { createApp, type AppOptions } from '@ct/client'
import { createWorker } from '@ct/worker'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { authSerializer, CertificateStore, setupSecurity, type AuthSerializerOptions } from './index.ts'
import { makeSigner } from '../test/make-signer.ts'

let folder: string
let has = true
try {
  execFileSync('openssl', ['version'], { stdio: 'ignore' })
} catch {
  has = false
}

const at = (...path: string[]): string => join(folder, ...path)
const pem = (name: string): Buffer => readFileSync(at(name))

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'ct-auth-'))
  if (!has) return
  makeSigner(folder, 'me', ['/O=Käse & Co/CN=me'])
  makeSigner(folder, 'other', ['/CN=other', '-set_serial', '77'])
  mkdirSync(at('store'))
  copyFileSync(at('me.crt'), at('store', 'me.crt'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const signerOf = (name: string, more: Partial<AuthSerializerOptions> = {}): AuthSerializerOptions => ({
  key: pem(`${name}.key`),
  certificate: pem(`${name}.crt`),
  store: CertificateStore.fromFiles(at('store')),
  ...more,
})

/** The five fields of a signed message. */
function fields(message: Uint8Array): string[] {
  return Buffer.from(Buffer.from(message).toString(), 'base64').toString('latin1').split('\0\x01')
}

describe.skipIf(!has)('the auth serializer', () => {
  it('SEC-8, SEC-41, SEC-43, WIRE-57: five fields, the signer by issuer and serial number', () => {
    const serializer = authSerializer(signerOf('other'))
    const [signer = '', signature = '', type, encoding, body] = fields(serializer.encode([1, 'zwei']))
    expect(Buffer.from(signer, 'base64').toString()).toBe('other 77')
    expect(Buffer.from(signature, 'base64')).toHaveLength(256)
    expect([type, encoding, body]).toEqual(['application/json', 'utf-8', '[1, "zwei"]'])
    expect([serializer.name, serializer.contentType, serializer.contentEncoding]).toEqual([
      'auth',
      'application/data',
      'utf-8',
    ])
  })

  it('SEC-42, SEC-46: reads what it signed, as often as it comes, the separator in the body too', () => {
    const serializer = authSerializer(signerOf('me'))
    const message = serializer.encode({ a: 'x\0\x01y' })
    expect(serializer.decode(message)).toEqual({ a: 'x\0\x01y' })
    expect(serializer.decode(message)).toEqual({ a: 'x\0\x01y' })
  })

  it('SEC-42: refuses what was changed, signed by a stranger, or not at all', () => {
    const serializer = authSerializer(signerOf('me'))
    const raw = Buffer.from(Buffer.from(serializer.encode(['a'])).toString(), 'base64')
    raw[raw.length - 3] = 'b'.charCodeAt(0)
    const reason = (value: string): object =>
      expect.objectContaining({ code: 'CT_DECODE', details: expect.objectContaining({ reason: value }) })
    const read = (bytes: Uint8Array): unknown => {
      try {
        return serializer.decode(bytes)
      } catch (error) {
        return error
      }
    }
    expect(read(Buffer.from(raw.toString('base64')))).toEqual(reason('signature'))
    expect(read(authSerializer(signerOf('other')).encode(['a']))).toEqual(reason('certificate-unknown'))
    expect(read(Buffer.from('[[], {}, {}]'))).toEqual(reason('not-signed'))
    expect(read(Buffer.from('x\0\x01'.repeat(9)))).toEqual(reason('not-signed'))
    const later = authSerializer(signerOf('me', { now: () => Date.now() + 400 * 86_400_000 }))
    expect(() => later.decode(serializer.encode(1))).toThrow(reason('certificate-expired') as never)
  })

  it('D57-76: expiry is looked at each time', () => {
    let now = Date.now()
    const serializer = authSerializer(signerOf('me', { now: () => now }))
    const message = serializer.encode(1)
    expect(serializer.decode(message)).toBe(1)
    now += 400 * 86_400_000
    expect(() => serializer.decode(message)).toThrow('has expired')
  })

  it('SEC-44: a store of a folder or a glob; twice there, expired, or no certificate is an error', () => {
    expect(CertificateStore.fromFiles(at('store')).size).toBe(1)
    expect(CertificateStore.fromFiles(at('*.crt')).size).toBe(2)
    expect(() => CertificateStore.fromFiles(at('store')).add(pem('me.crt'))).toThrow('is there twice')
    expect(() => CertificateStore.fromFiles(at('store'), Date.now() + 400 * 86_400_000)).toThrow(
      'has expired',
    )
    expect(() => CertificateStore.fromFiles(at('me.key'))).toThrow('no X.509 certificate')
  })

  it('SEC-42: RSA keys only, with a password if there is one; a digest that exists', () => {
    makeSigner(folder, 'curve', ['/CN=curve'], ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1'])
    expect(() => authSerializer(signerOf('curve'))).toThrow('RSA')
    execFileSync(
      'openssl',
      ['rsa', '-aes128', '-passout', 'pass:secret', '-in', at('me.key'), '-out', at('locked.key')],
      { stdio: 'ignore' },
    )
    const key = pem('locked.key')
    expect(() => authSerializer(signerOf('me', { key }))).toThrow('cannot be read')
    const unlocked = authSerializer(signerOf('me', { key, keyPassword: 'secret' }))
    expect(unlocked.decode(unlocked.encode('x'))).toBe('x')
    expect(() => authSerializer(signerOf('me', { digest: 'sha255' }))).toThrow('no digest "sha255"')
  })
})

describe.skipIf(!has)('setupSecurity', () => {
  const signed: AppOptions = {
    taskSerializer: 'auth',
    acceptContent: ['auth'],
    resultAcceptContent: ['json'],
    environment: {},
  }

  it('APP-69, SEC-40: wants serializer, accept list, key, certificate and store', () => {
    const files = { key: at('me.key'), cert: at('me.crt'), store: at('store') }
    const broker = memoryBroker({ name: 'auth-settings' })
    expect(() => setupSecurity(createApp({ broker, environment: {} }), files)).toThrow(
      "taskSerializer: 'auth'",
    )
    expect(() => setupSecurity(createApp({ ...signed, broker, acceptContent: ['json'] }), files)).toThrow(
      'acceptContent',
    )
    expect(() => setupSecurity(createApp({ ...signed, broker }), { key: files.key })).toThrow(
      'securityCertStore',
    )
    expect(() => setupSecurity(createApp({ ...signed, broker }), { ...files, key: at('nothing') })).toThrow(
      'cannot be read',
    )
    const app = createApp({
      ...signed,
      broker,
      securityKey: files.key,
      securityCertificate: files.cert,
      securityCertStore: files.store,
    })
    setupSecurity(app)
    expect(app.context.serializers.get('auth').name).toBe('auth')
  })

  it('SEC-45: tasks are signed and verified, results are not; who does not sign is refused', async () => {
    const hub = { name: 'auth-app' }
    const parts = { broker: memoryBroker(hub), backend: memoryBackend(hub) }
    await using app = createApp({ ...parts, ...signed, name: 'proj' })
    setupSecurity(app, { key: at('me.key'), cert: at('me.crt'), store: at('store') })
    const add = app.task('proj.add', (x: number, y: number) => x + y)
    await using worker = createWorker(app, { withoutMingle: true })
    await worker.start()
    expect(await (await add.delay(2, 3)).get({ timeoutMs: 20_000 })).toBe(5)
    await using stranger = createApp({ broker: memoryBroker(hub), name: 'stranger', environment: {} })
    await stranger.sendTask('proj.add', { args: [1, 1] })
    await expect.poll(() => worker.counts.refused).toBe(1)
    expect(worker.status).toBe('running')
  })
})
