/** The npm package of this adapter, as messages name it. */
export const packageName = '@ct/broker-redis'
