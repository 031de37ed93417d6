/** Said in errors and by `ct report`. */
export const packageName = '@ct/broker-amqp'
