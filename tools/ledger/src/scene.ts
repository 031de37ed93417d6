export type BrokerName = 'redis' | 'rabbitmq'

/** What every process of a campaign has to know, in one environment variable. */
export interface Scene {
  /** Default `redis`. */
  readonly broker?: BrokerName
  /** As this process reaches the broker: some go through a proxy of ours. */
  readonly url: string
  /** Of the results, where the broker does not keep them: a Redis that nothing befalls. */
  readonly backend?: string
  /** Where the journals are. */
  readonly folder: string
  /** Seconds. */
  readonly visibilityTimeout: number
  readonly maxDeliveries?: number
}

const variable = 'CT_LEDGER'

export function sceneEnvironment(scene: Scene): Record<string, string> {
  return { [variable]: JSON.stringify(scene) }
}

export function readScene(): Scene {
  const text = process.env[variable]
  if (text === undefined) throw new Error(`${variable} is not set: this program is started by a campaign.`)
  return JSON.parse(text) as Scene
}
