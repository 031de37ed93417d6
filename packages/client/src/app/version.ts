/** Version of this package. */
export const clientVersion = '0.0.0'
