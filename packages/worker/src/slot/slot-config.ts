/** What a slot elsewhere is told about its worker; plain data. */
import type { SettingsInput } from '@ct/client'
import type { DeliveryInfo, HeaderTable, MessageProperties } from '@ct/contracts'

export interface SlotConfig {
  readonly hostname: string
  /** Where the app is exported, if that is known. */
  readonly app: { readonly module: string; readonly name: string } | undefined
  /** Settings that were made outside of the modules: the command line's say. */
  readonly settings: SettingsInput
  /** Seconds; the worker's limits of tasks that have none. */
  readonly timeLimit: number | null
  readonly softTimeLimit: number | null
  readonly logsInfo: boolean
  readonly logsDebug: boolean
}

/** `PoolJob.request` on its way to such a slot. */
export interface SlotRequest {
  readonly headers: HeaderTable
  readonly properties: MessageProperties
  readonly info: DeliveryInfo
  readonly queue: string
  readonly wantsRepr: boolean
}
