/** Settings of ct's own, unknown to Celery (architecture: "Defaults"). */
import { setting } from './setting.ts'

export const ctSettings = {
  /** Starts of one message before it is parked in `<queue>.parked`; null = no limit (Celery). */
  maxDeliveries: setting<number | null>('int', null, { ct: 5, min: 1, own: true }),
  /** Milliseconds a publish may take, reconnecting included; null = no limit (Celery). */
  publishTimeoutMs: setting<number | null>('int', null, { ct: 10_000, min: 1, own: true }),
  /** Most messages a worker claims in one step; the claim grows with measured throughput up to it. */
  maxClaim: setting<number>('int', 200, { min: 1, own: true }),
  /**
   * Milliseconds without a new part after which a chord fails, its missing members being lost; null = nine tenths of the time its parts are
   * kept (`resultChordExpires`), or a day. Chords are not watched with Celery's defaults.
   */
  chordStallTimeoutMs: setting<number | null>('int', null, { min: 1, own: true }),
  /** How often a worker looks after chords that are open, milliseconds; 0 = never (Celery). */
  chordSweepIntervalMs: setting<number>('int', 0, { ct: 15_000, min: 0, own: true }),
  /** Largest body or result after decompression, bytes. */
  maxDecompressedBytes: setting<number>('int', 64 * 1024 * 1024, { min: 1, own: true }),
  /** Ask other workers for their revoked ids at start: beside the start, before it (Celery, 1 s), or not at all. */
  workerMingle: setting<'background' | 'wait' | 'off'>('string', 'wait', {
    ct: 'background',
    oneOf: ['background', 'wait', 'off'],
    own: true,
  }),
  /** Follow other workers' events. */
  workerGossip: setting<boolean>('bool', true, { ct: false, own: true }),
}
