/** The types of `app.task`: arguments and result are those of the function, or of its schema. */
import type { SchemaInput, SchemaOutput, StandardSchema } from './standard-schema.ts'
import type { Task } from './task.ts'
import type { TaskContext } from './task-context.ts'
import type { TaskOptions } from './task-options.ts'

type Tuple = readonly unknown[]
type TupleSchema = StandardSchema<unknown, Tuple>
type ObjectSchema = StandardSchema<unknown, object>

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
interface WithArgs<S, B> extends TaskOptions {
  readonly bind?: B
  readonly args: S
  readonly kwargs?: undefined
}
interface WithKwargs<S, B> extends TaskOptions {
  readonly bind?: B
  readonly args?: undefined
  readonly kwargs: S
}
/** `bind` is there, not left out. */
interface BindGiven {
  readonly bind: true
}

type Input<S> = SchemaInput<S> extends Tuple ? SchemaInput<S> : never
type Output<S> = SchemaOutput<S> extends Tuple ? SchemaOutput<S> : never

/**
 * The function is inferred as a whole: a parameter then has the type of its annotation or default, where inferring the list of
 * arguments would make one with a default `unknown`.
 */
type TaskOf<F> = F extends (...args: infer A) => infer Raw ? Task<A, Awaited<Raw>, Raw> : never

/** With a schema a direct call validates first, which may take time. */
type Checked<A extends Tuple, Raw> = Task<A, Awaited<Raw>, Raw | Promise<Awaited<Raw>>>

/** See `App.task`. */
export interface DefineTask {
  <F extends CallableFunction>(fn: F): TaskOf<F>
  <F extends CallableFunction>(name: string, fn: F): TaskOf<F>
  <S extends TupleSchema, Raw>(
    name: string,
    options: WithArgs<S, true> & BindGiven,
    fn: (task: TaskContext, ...args: Output<S>) => Raw,
  ): Checked<Input<S>, Raw>
  <S extends TupleSchema, Raw>(
    name: string,
    options: WithArgs<S, false>,
    fn: (...args: Output<S>) => Raw,
  ): Checked<Input<S>, Raw>
  <S extends ObjectSchema, Raw>(
    name: string,
    options: WithKwargs<S, true> & BindGiven,
    fn: (task: TaskContext, input: SchemaOutput<S>) => Raw,
  ): Checked<[input: SchemaInput<S>], Raw>
  <S extends ObjectSchema, Raw>(
    name: string,
    options: WithKwargs<S, false>,
    fn: (input: SchemaOutput<S>) => Raw,
  ): Checked<[input: SchemaInput<S>], Raw>
  <A extends Tuple, Raw>(
    name: string,
    options: Bound,
    fn: (task: TaskContext, ...args: A) => Raw,
  ): Task<A, Awaited<Raw>, Raw>
  <F extends CallableFunction>(name: string, options: Plain, fn: F): TaskOf<F>
  <A extends Tuple, Raw>(
    options: Bound,
    fn: (task: TaskContext, ...args: A) => Raw,
  ): Task<A, Awaited<Raw>, Raw>
  <F extends CallableFunction>(options: Plain, fn: F): TaskOf<F>
}
