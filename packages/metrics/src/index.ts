/** Prometheus metrics of ct. */
export { Metrics } from './metrics.ts'
export type { MetricsOptions } from './metrics.ts'
export { metricTable } from './metric-table.ts'
export type { MetricName } from './metric-table.ts'
