/** Milliseconds that `import '@ct/client'` takes here, from the built package. */
const start = performance.now()
await import('@ct/client')
console.log(performance.now() - start)
