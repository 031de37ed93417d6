import type { SignatureSource } from '@ct/contracts'

/** Who reports: the running task, or a later step of its chain that will never run. */
export interface ChordMember {
  readonly taskId: string
  readonly rootId: string
  readonly groupId: string | null
  readonly groupIndex: number | null
  /** The chord's body. */
  readonly chord: SignatureSource | null
  readonly priority?: number | undefined
}
