import { constants, verify, X509Certificate } from 'node:crypto'
import { ConfigurationError, DecodeError } from '@ct/contracts'
import { issuerValues } from './issuer.ts'

/** One certificate of a signer (celery/security/certificate.py 5.7). RSA only, as there. */
export class Certificate {
  /** Values of the issuer and the serial number: what a signed message names its signer by (SEC-43). */
  readonly id: string
  readonly #certificate: X509Certificate
  readonly #expiresAt: number

  /** Error: `CT_CONFIGURATION`. */
  constructor(pem: string | Uint8Array, where: string) {
    try {
      this.#certificate = new X509Certificate(pem)
      this.id = `${issuerValues(this.#certificate.raw).join(' ')} ${BigInt(`0x${this.#certificate.serialNumber}`)}`
    } catch (cause) {
      throw new ConfigurationError(`${where} is no X.509 certificate in PEM: ${String(cause)}`, { cause })
    }
    if (this.#certificate.publicKey.asymmetricKeyType !== 'rsa')
      throw new ConfigurationError(`${where} is no certificate of an RSA key; Celery knows no others.`)
    this.#expiresAt = Date.parse(this.#certificate.validTo)
  }

  hasExpired(now: number): boolean {
    return now >= this.#expiresAt
  }

  /** Error: `CT_DECODE`. Expiry is looked at each time (D57-76). */
  verify(data: Uint8Array, signature: Uint8Array, digest: string, now: number): void {
    if (this.hasExpired(now))
      throw refused(`the certificate ${JSON.stringify(this.id)} has expired`, 'certificate-expired')
    const { publicKey } = this.#certificate
    const padding = {
      padding: constants.RSA_PKCS1_PSS_PADDING,
      saltLength: constants.RSA_PSS_SALTLEN_MAX_SIGN,
    }
    let valid = false
    try {
      valid = verify(digest, data, { key: publicKey, ...padding }, signature)
    } catch {
      // A signature of another length, for example.
    }
    if (!valid) throw refused(`the signature is not that of ${JSON.stringify(this.id)}`, 'signature')
  }
}

export function refused(why: string, reason: string): DecodeError {
  return new DecodeError(`A signed message is refused: ${why}.`, { details: { reason } })
}
