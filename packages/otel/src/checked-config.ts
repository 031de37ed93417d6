import { ConfigurationError, didYouMean } from '@ct/client'
import type { CeleryInstrumentationConfig } from './celery-instrumentation.ts'

const known = ['enabled', 'tracerProvider', 'useSpanLinks']

export function checkedConfig(config: CeleryInstrumentationConfig): CeleryInstrumentationConfig {
  for (const key of Object.keys(config)) {
    if (known.includes(key)) continue
    throw new ConfigurationError(
      `CeleryInstrumentation has no option "${key}".${didYouMean(key, known)} It takes ${known.join(', ')}.`,
    )
  }
  return { ...config }
}
