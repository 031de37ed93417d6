/** Version of this package, as monitors see it (`sw_ver`). */
export const workerVersion = '0.0.0'
