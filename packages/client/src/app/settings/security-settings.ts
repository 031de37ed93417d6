/** Settings of the signed serializer (celery/app/defaults.py 5.7). Durations are seconds unless the name says otherwise. */
import { setting } from './setting.ts'

export const securitySettings = {
  /** Directory of trusted certificates. */
  securityCertStore: setting<string | null>('string', null, { old: 'CELERY_SECURITY_CERT_STORE' }),
  /** Own certificate file. */
  securityCertificate: setting<string | null>('string', null, { old: 'CELERY_SECURITY_CERTIFICATE' }),
  /** Digest for signatures. */
  securityDigest: setting<string>('string', 'sha256', { old: 'CELERY_SECURITY_DIGEST' }),
  /** Private key file. */
  securityKey: setting<string | null>('string', null, { old: 'CELERY_SECURITY_KEY' }),
  /** Key password. */
  securityKeyPassword: setting<string | Uint8Array | null>(['string', 'bytes'], null, {
    old: 'CELERY_SECURITY_KEY_PASSWORD',
  }),
}
