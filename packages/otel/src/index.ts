/** OpenTelemetry for ct. */
export { CeleryInstrumentation } from './celery-instrumentation.ts'
export type { CeleryInstrumentationConfig } from './celery-instrumentation.ts'
