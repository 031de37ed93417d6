/**
 * Codes: `CT_SERVICE_MISSING` (not installed and cannot be installed here), `CT_SERVICE_FAILED` (would not start, stop or
 * answer), `CT_SERVICE_FOREIGN` (asked to change a server that is not ours).
 */
export type ServiceErrorCode = 'CT_SERVICE_MISSING' | 'CT_SERVICE_FAILED' | 'CT_SERVICE_FOREIGN'

/** What went wrong with a service, and what to do about it. */
export class ServiceError extends Error {
  override readonly name: string = 'ServiceError'
  readonly code: ServiceErrorCode

  constructor(code: ServiceErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}
