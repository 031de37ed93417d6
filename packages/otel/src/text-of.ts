/** As text, whatever it is: what was thrown may have none (`Object.create(null)`), and a tracer must not end the worker for that. */
export function textOf(thrown: unknown): string {
  try {
    return String(thrown)
  } catch {
    return 'a value that cannot be shown'
  }
}
