import { readFileSync } from 'node:fs'
import { ConfigurationError, type Serializer, type SerializerRegistry } from '@ct/contracts'
import { authSerializer } from './auth-serializer.ts'
import { CertificateStore } from './certificate-store.ts'

/** What of an app is looked at. */
export interface SecuredApp {
  readonly settings: {
    readonly taskSerializer: string
    readonly acceptContent: readonly string[]
    readonly securityKey: string | null
    readonly securityKeyPassword: string | Uint8Array | null
    readonly securityCertificate: string | null
    readonly securityCertStore: string | null
    readonly securityDigest: string
  }
  readonly context: { readonly serializers: SerializerRegistry }
}

/** Paths of files; what is left out comes from the settings `securityKey` and so on. */
export interface SecurityOptions {
  readonly key?: string | undefined
  readonly keyPassword?: string | Uint8Array | undefined
  readonly cert?: string | undefined
  /** Folder, or glob. */
  readonly store?: string | undefined
  readonly digest?: string | undefined
  /** What is signed is serialized with this. Default `json`. */
  readonly serializer?: Serializer | 'json' | undefined
}

/**
 * Has the app sign its tasks and read only signed ones (celery/security `setup_security` 5.7; SEC-40). Call it before the app sends or works.
 * Results and events are signed where `resultSerializer` and `eventSerializer` say `auth`. Error: `CT_CONFIGURATION`.
 */
export function setupSecurity(app: SecuredApp, options: SecurityOptions = {}): void {
  const { settings } = app
  if (
    settings.taskSerializer !== 'auth' ||
    settings.acceptContent.length !== 1 ||
    settings.acceptContent[0] !== 'auth'
  ) {
    throw new ConfigurationError(
      "Signing needs taskSerializer: 'auth', and verifying acceptContent: ['auth']: there is no point in one without the other.",
    )
  }
  const key = options.key ?? settings.securityKey
  const cert = options.cert ?? settings.securityCertificate
  const store = options.store ?? settings.securityCertStore
  if (key === null || cert === null || store === null) {
    throw new ConfigurationError(
      'Signing needs a key, its certificate and a folder of certificates: securityKey, securityCertificate, securityCertStore.',
    )
  }
  app.context.serializers.register(
    authSerializer({
      key: read(key, 'securityKey'),
      keyPassword: options.keyPassword ?? settings.securityKeyPassword,
      certificate: read(cert, 'securityCertificate'),
      store: CertificateStore.fromFiles(store),
      digest: options.digest ?? settings.securityDigest,
      serializer: options.serializer,
    }),
  )
}

function read(path: string, setting: string): Buffer {
  try {
    return readFileSync(path)
  } catch (cause) {
    throw new ConfigurationError(`${setting} cannot be read: ${path}`, { cause })
  }
}
