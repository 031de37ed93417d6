/** The types of `app.task`: arguments and result are those of the function, or of its schema. */
import type { SchemaInput, SchemaOutput, StandardSchema } from './standard-schema.ts'
import type { Task } from './task.ts'
import type { TaskContext } from './task-context.ts'
import type { TaskOptions } from './task-options.ts'

type Tuple = readonly unknown[]
type TupleSchema = StandardSchema<Tuple, Tuple>
type ObjectSchema = StandardSchema<object, object>

interface Plain extends TaskOptions {
  readonly bind?: false
  readonly args?: undefined
  readonly kwargs?: undefined
}
interface Bound extends TaskOptions {
  readonly bind: true
  readonly args?: undefined
  readonly kwargs?: undefined
}
interface WithArgs<S extends StandardSchema<never, Tuple>> extends TaskOptions {
  readonly bind?: false
  readonly args: S
  readonly kwargs?: undefined
}
interface BoundWithArgs<S extends StandardSchema<never, Tuple>> extends TaskOptions {
  readonly bind: true
  readonly args: S
  readonly kwargs?: undefined
}
interface WithKwargs<S> extends TaskOptions {
  readonly bind?: false
  readonly args?: undefined
  readonly kwargs: S
}
interface BoundWithKwargs<S> extends TaskOptions {
  readonly bind: true
  readonly args?: undefined
  readonly kwargs: S
}

type Input<S> = SchemaInput<S> extends Tuple ? SchemaInput<S> : never
type Output<S> = SchemaOutput<S> extends Tuple ? SchemaOutput<S> : never

/** See `App.task`. */
export interface DefineTask {
  <A extends Tuple, Raw>(fn: (...args: A) => Raw): Task<A, Awaited<Raw>, Raw>
  <A extends Tuple, Raw>(name: string, fn: (...args: A) => Raw): Task<A, Awaited<Raw>, Raw>

  <S extends StandardSchema<never, Tuple>, Raw>(
    name: string,
    options: BoundWithArgs<S>,
    fn: (task: TaskContext, ...args: Output<S>) => Raw,
  ): Task<Input<S>, Awaited<Raw>, Raw | Promise<Awaited<Raw>>>
  <S extends StandardSchema<never, Tuple>, Raw>(
    name: string,
    options: WithArgs<S>,
    fn: (...args: Output<S>) => Raw,
  ): Task<Input<S>, Awaited<Raw>, Raw | Promise<Awaited<Raw>>>
  <S extends StandardSchema<never, object>, Raw>(
    name: string,
    options: BoundWithKwargs<S>,
    fn: (task: TaskContext, input: SchemaOutput<S>) => Raw,
  ): Task<[input: SchemaInput<S>], Awaited<Raw>, Raw | Promise<Awaited<Raw>>>
  <S extends StandardSchema<never, object>, Raw>(
    name: string,
    options: WithKwargs<S>,
    fn: (input: SchemaOutput<S>) => Raw,
  ): Task<[input: SchemaInput<S>], Awaited<Raw>, Raw | Promise<Awaited<Raw>>>

  <A extends Tuple, Raw>(
    name: string,
    options: Bound,
    fn: (task: TaskContext, ...args: A) => Raw,
  ): Task<A, Awaited<Raw>, Raw>
  <A extends Tuple, Raw>(name: string, options: Plain, fn: (...args: A) => Raw): Task<A, Awaited<Raw>, Raw>
  <A extends Tuple, Raw>(
    options: Bound,
    fn: (task: TaskContext, ...args: A) => Raw,
  ): Task<A, Awaited<Raw>, Raw>
  <A extends Tuple, Raw>(options: Plain, fn: (...args: A) => Raw): Task<A, Awaited<Raw>, Raw>
}

export type { ObjectSchema, TupleSchema }
