import { globSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { ConfigurationError } from '@ct/contracts'
import { Certificate, refused } from './certificate.ts'

/** Whose signatures are believed (celery/security/certificate.py 5.7, `FSCertStore`; SEC-44). Read once. */
export class CertificateStore {
  readonly #certificates = new Map<string, Certificate>()

  /** Files of a folder, or those that a glob matches. Error: `CT_CONFIGURATION`: unreadable, expired, or twice there. */
  static fromFiles(folderOrGlob: string, now: number = Date.now()): CertificateStore {
    const store = new CertificateStore()
    const isFolder = statSync(folderOrGlob, { throwIfNoEntry: false })?.isDirectory() === true
    for (const file of globSync(isFolder ? join(folderOrGlob, '*') : folderOrGlob).sort())
      store.add(readFileSync(file), file, now)
    return store
  }

  get size(): number {
    return this.#certificates.size
  }

  /** Adds a certificate in PEM; `where` it came from is for errors. */
  add(pem: string | Uint8Array, where: string = 'The certificate', now: number = Date.now()): this {
    const certificate = new Certificate(pem, where)
    if (certificate.hasExpired(now)) throw new ConfigurationError(`${where} has expired: ${certificate.id}`)
    if (this.#certificates.has(certificate.id))
      throw new ConfigurationError(`${where} is there twice: ${certificate.id}`)
    this.#certificates.set(certificate.id, certificate)
    return this
  }

  /** Error: `CT_DECODE`. */
  get(id: string): Certificate {
    const found = this.#certificates.get(id)
    if (found === undefined)
      throw refused(
        `nobody here knows the certificate ${JSON.stringify(id.slice(0, 200))}`,
        'certificate-unknown',
      )
    return found
  }
}
