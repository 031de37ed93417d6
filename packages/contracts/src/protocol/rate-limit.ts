/** What a rate limit may be, for error messages. */
export const rateLimitWanted = "a number per second, or text such as '10/s', '10/m' or '10/h'"

/** Whether a setting, a task or a control command may have this rate limit (celery/utils/time.py 5.7, `rate`). */
export function isRateLimit(value: unknown): boolean {
  return /^\s*\d+(\.\d+)?\s*(\/\s*[smh]\s*)?$/.test(String(value))
}
