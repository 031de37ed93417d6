/** The settings the result store obeys; durations are seconds, defaults as in Celery. */
export interface ResultSettings {
  /** Default `json`. */
  readonly resultSerializer?: string | undefined
  /** Names or MIME types that may be read; null: as `acceptContent`. */
  readonly resultAcceptContent?: readonly string[] | null | undefined
  readonly acceptContent?: readonly string[] | undefined
  /** Compressor by name; only for stores with the capability. */
  readonly resultCompression?: string | null | undefined
  /** Default 86,400; 0 or null: kept for good. */
  readonly resultExpires?: number | null | undefined
  /** Life of FAILURE documents; null: as `resultExpires`, 0: kept for good. */
  readonly resultFailureExpires?: number | null | undefined
  /** Stores name, arguments, worker, retries and routing key too. */
  readonly resultExtended?: boolean | undefined
  /** Finished results kept in memory: −1 none, 0 no limit. Default −1. */
  readonly resultCacheMax?: number | undefined
  readonly resultBackendAlwaysRetry?: boolean | undefined
  readonly resultBackendMaxRetries?: number | null | undefined
  readonly resultBackendBaseSleepBetweenRetriesMs?: number | undefined
  readonly resultBackendMaxSleepBetweenRetriesMs?: number | undefined
  /** Largest result in bytes after decompression. Default 64 MiB. */
  readonly maxDecompressedBytes?: number | undefined
}
