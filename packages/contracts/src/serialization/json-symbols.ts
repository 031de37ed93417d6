/**
 * A value with this property is written by the JSON encoder as the text the property holds, verbatim. Every value class
 * of this package (`PyFloat`, `PyDate`, …) and `RawJson` has it. The text must be one valid JSON value in ASCII.
 */
export const jsonSource: unique symbol = Symbol.for('ct.jsonSource') as never

/**
 * Counterpart of kombu's `__json__`: a method of this name returns what is encoded in place of the object. It is asked before
 * `toJSON`, which is honoured too.
 */
export const jsonHook: unique symbol = Symbol.for('ct.jsonHook') as never
