/**
 * Signs what it encodes and decodes only what was signed by somebody whose certificate is known (celery/security/serialization.py 5.7; WIRE-57).
 *
 *   base64( base64(signer) ␀␁ base64(signature) ␀␁ content type ␀␁ content encoding ␀␁ body )
 *
 * The signature is over the body as it was serialized: nothing is decoded before it is verified. Who replays a signed message is believed.
 */
import { constants, createPrivateKey, getHashes, sign, type KeyObject } from 'node:crypto'
import { ConfigurationError, DecodeError, SerializerRegistry, type Serializer } from '@ct/contracts'
import { Certificate, refused } from './certificate.ts'
import type { CertificateStore } from './certificate-store.ts'

export interface AuthSerializerOptions {
  /** RSA key in PEM that messages are signed with. */
  readonly key: string | Uint8Array
  readonly keyPassword?: string | Uint8Array | null | undefined
  /** Certificate in PEM of that key; the others need it in their stores. */
  readonly certificate: string | Uint8Array
  /** Whose messages are read. */
  readonly store: CertificateStore
  /** As all others in the fleet. Default `sha256`. */
  readonly digest?: string | undefined
  /** What the body is serialized with before it is signed: `json` (default), or one of your own. */
  readonly serializer?: Serializer | 'json' | undefined
  /** Epoch ms. */
  readonly now?: (() => number) | undefined
}

const separator = Buffer.from([0, 1])

/** Error: `CT_CONFIGURATION`. */
export function authSerializer(options: AuthSerializerOptions): Serializer {
  const { store, digest = 'sha256', serializer = 'json', now = Date.now } = options
  const key = privateKey(options)
  const signer = new Certificate(options.certificate, 'The certificate of the signer').id
  if (!getHashes().some((name) => name.toLowerCase() === digest.toLowerCase()))
    throw new ConfigurationError(`There is no digest ${JSON.stringify(digest)}; sha256 is the usual one.`)
  const registry = new SerializerRegistry(serializer === 'json' ? [] : [serializer])
  const inner = serializer === 'json' ? serializer : serializer.name
  return {
    name: 'auth',
    contentType: 'application/data',
    contentEncoding: 'utf-8',
    encode(value) {
      const { contentType, contentEncoding, body } = registry.encode(value, inner)
      const signature = sign(digest, body, {
        key,
        padding: constants.RSA_PKCS1_PSS_PADDING,
        saltLength: constants.RSA_PSS_SALTLEN_MAX_SIGN,
      })
      return pack([base64(Buffer.from(signer)), base64(signature), contentType, contentEncoding, body])
    },
    decode(bytes) {
      const [id, signature, contentType, contentEncoding, body] = unpack(bytes)
      const certificate = store.get(Buffer.from(id.toString('latin1'), 'base64').toString('utf8'))
      certificate.verify(body, Buffer.from(signature.toString('latin1'), 'base64'), digest, now())
      // Whoever signed it may say what it is, as in Celery.
      return registry.decode(body, contentType.toString(), contentEncoding.toString(), null)
    },
  }
}

function privateKey({ key, keyPassword }: AuthSerializerOptions): KeyObject {
  let made: KeyObject
  try {
    made = createPrivateKey({
      key: typeof key === 'string' ? key : Buffer.from(key),
      ...(keyPassword !== undefined &&
        keyPassword !== null && {
          passphrase: typeof keyPassword === 'string' ? keyPassword : Buffer.from(keyPassword),
        }),
    })
  } catch (cause) {
    throw new ConfigurationError(`The key to sign with cannot be read: ${String(cause)}`, { cause })
  }
  if (made.asymmetricKeyType !== 'rsa')
    throw new ConfigurationError('The key to sign with is no RSA key; Celery knows no others.')
  return made
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64')
}

function pack(fields: readonly (string | Uint8Array)[]): Uint8Array {
  const parts = fields.flatMap((field, index) => [
    ...(index === 0 ? [] : [separator]),
    typeof field === 'string' ? Buffer.from(field) : field,
  ])
  return Buffer.from(Buffer.concat(parts).toString('base64'))
}

/** Split at the first four separators: the body may contain more. */
function unpack(bytes: Uint8Array): readonly [Buffer, Buffer, Buffer, Buffer, Buffer] {
  let rest: Buffer
  try {
    rest = Buffer.from(Buffer.from(bytes).toString('latin1'), 'base64')
  } catch (cause) {
    throw new DecodeError('A signed message is no base64 text.', { cause, details: { reason: 'signature' } })
  }
  const fields: Buffer[] = []
  while (fields.length < 4) {
    const at = rest.indexOf(separator)
    if (at === -1) throw refused('it is not signed', 'not-signed')
    fields.push(rest.subarray(0, at))
    rest = rest.subarray(at + separator.length)
  }
  return [...fields, rest] as unknown as readonly [Buffer, Buffer, Buffer, Buffer, Buffer]
}
