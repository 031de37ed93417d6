import { ArgumentsError } from './arguments-error.ts'

/** A schema of zod, valibot, arktype or any other library that follows the Standard Schema interface (version 1). */
export interface StandardSchema<Input = unknown, Output = Input> {
  readonly '~standard': {
    readonly version: 1
    readonly vendor: string
    readonly validate: (value: unknown) => SchemaResult<Output> | Promise<SchemaResult<Output>>
    readonly types?: { readonly input: Input; readonly output: Output } | undefined
  }
}

export type SchemaResult<Output> =
  | { readonly value: Output; readonly issues?: undefined }
  | { readonly issues: readonly SchemaIssue[] }

export interface SchemaIssue {
  readonly message: string
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined
}

export type SchemaInput<S> = S extends StandardSchema<infer Input, infer _Output> ? Input : never
export type SchemaOutput<S> = S extends StandardSchema<infer _Input, infer Output> ? Output : never

/** The value as the schema gives it back; a promise where the schema is asynchronous. Throws or rejects with `CT_ARGUMENTS`. */
export function validated(label: string, schema: StandardSchema, value: unknown): unknown {
  const result = schema['~standard'].validate(value)
  return result instanceof Promise ? result.then((late) => valueOf(label, late)) : valueOf(label, result)
}

function valueOf(label: string, result: SchemaResult<unknown>): unknown {
  if (result.issues === undefined) return result.value
  const issues = result.issues.map(({ message, path }) => {
    const where = (path ?? []).map((part) => String(typeof part === 'object' ? part.key : part)).join('.')
    return where === '' ? message : `${where}: ${message}`
  })
  throw new ArgumentsError(`${label}() got arguments that do not fit its schema: ${issues.join('; ')}`, {
    details: { issues },
  })
}
