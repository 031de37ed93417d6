/** Version of this package, as tracing back ends see it (`otel.scope.version`). */
export const otelVersion = '0.0.0'
