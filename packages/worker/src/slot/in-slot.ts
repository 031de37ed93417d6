/** Whether this code runs in a thread or child of a pool: there nobody starts a worker. */
const mark = Symbol.for('ct.slot')

export function enterSlot(): void {
  Object.defineProperty(globalThis, mark, { value: true, configurable: true })
}

export function isInSlot(): boolean {
  return mark in globalThis
}
