/** Mapping of options that an adapter understands; its keys are the adapter's. */
export type Options = Readonly<Record<string, unknown>>

/** Options of tasks by task name or `*`; a list is applied in order. */
export type TaskAnnotations = Options | readonly Options[]

export type SettingKind = 'bool' | 'int' | 'float' | 'string' | 'bytes' | 'list' | 'dict' | 'function' | 'any'

/** What ct knows about one setting. `T` is its type in {@link Settings}. */
export interface Setting<T> {
  readonly kinds: readonly SettingKind[]
  /** Celery's default. */
  readonly default: T
  /** ct's own default where it differs (architecture: "Defaults"); `defaults: 'celery'` ignores it. */
  readonly ct: T | undefined
  readonly nullable: boolean
  /** Upper-case name before Celery 4 where it is not just the new name in upper case. */
  readonly old: string | undefined
  /** What to use instead. */
  readonly deprecated: string | undefined
  /** The only values allowed. */
  readonly oneOf: readonly T[] | undefined
  /** Smallest value allowed. */
  readonly min: number | undefined
  /** A setting of ct's, unknown to Celery. */
  readonly own: boolean
}

export interface SettingExtras<T> {
  readonly ct?: T
  readonly nullable?: boolean
  readonly old?: string
  readonly deprecated?: string
  readonly oneOf?: readonly T[]
  readonly min?: number
  readonly own?: boolean
  /** Celery reads it by name and has no default for it. */
  readonly onDemand?: boolean
}

/** One row of a settings table. */
export function setting<T>(
  kinds: SettingKind | readonly SettingKind[],
  value: T,
  extras: SettingExtras<T> = {},
): Setting<T> {
  return {
    kinds: typeof kinds === 'string' ? [kinds] : kinds,
    default: value,
    ct: extras.ct,
    nullable: value === null || extras.nullable === true,
    old: extras.old,
    deprecated: extras.deprecated,
    oneOf: extras.oneOf,
    min: extras.min,
    own: extras.own ?? false,
  }
}
