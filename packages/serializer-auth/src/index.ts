/** Signed messages: Celery's `auth` serializer (celery/security 5.7). */
export { authSerializer, type AuthSerializerOptions } from './auth-serializer.ts'
export { CertificateStore } from './certificate-store.ts'
export { setupSecurity, type SecurityOptions, type SecuredApp } from './setup-security.ts'
