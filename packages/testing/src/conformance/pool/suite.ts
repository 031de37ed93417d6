/** What the parts of the pool suite share. */
import type { PoolCapabilities } from '@ct/contracts'
import type { TestRunner } from '../runner.ts'
import type { SceneSuite } from '../scene-suite.ts'
import type { PoolScene, SceneJob } from './scene.ts'

export interface PoolConformanceOptions {
  readonly capabilities: PoolCapabilities
  /** The pool has one slot, whatever `size` says (solo). Default false. */
  readonly oneSlot?: boolean
  /** Running out of memory costs a slot and nothing else, in reasonable time (give the slots a small heap). Default false. */
  readonly boundsMemory?: boolean
  /** The module and the export that makes the pool with its defaults, for what is tested in a program of its own. */
  readonly made?: { readonly module: URL; readonly name: string }
  readonly runner?: TestRunner
}

export interface PoolSuite {
  readonly capabilities: PoolCapabilities
  readonly options: PoolConformanceOptions
  readonly slots: number
  readonly test: SceneSuite<PoolScene, never>['test']
  /** Fills every slot with a job that waits at its gate. */
  readonly fill: (scene: PoolScene) => Promise<SceneJob[]>
}
