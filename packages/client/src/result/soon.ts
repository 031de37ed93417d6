/** Calls in a moment, not in the middle of the caller's own line; unless the function it gives is called before. */
export function soon(call: () => void): () => void {
  let wanted = true
  queueMicrotask(() => {
    if (wanted) call()
  })
  return () => {
    wanted = false
  }
}
