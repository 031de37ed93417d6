/** Version of this package, as operators see it in `CLIENT LIST` (`lib-ver`, Redis 7.2). */
export const libraryVersion = '0.0.0'
