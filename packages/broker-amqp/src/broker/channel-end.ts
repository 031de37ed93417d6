/** Why a channel ended, for the log. */
export function endOf(error: unknown): string {
  if (!(error instanceof Error)) return 'the channel ended.'
  const timeout = /acknowledgement on channel \d+ timed out(?:.*?Timeout value used: (\d+) ms)?/s.exec(
    error.message,
  )
  if (timeout === null) return `${error.message}.`
  const value = timeout[1] === undefined ? '' : ` (${Number(timeout[1]) / 1000} s)`
  return (
    `a message was held longer than RabbitMQ's consumer_timeout${value}, so it closed the channel; all messages that were held come again. ` +
    `Raise consumer_timeout on the server, and name its value by the option consumerTimeout.`
  )
}
