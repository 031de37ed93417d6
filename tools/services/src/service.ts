/** Every service this tool knows. */
export const SERVICE_NAMES = [
  'redis',
  'rabbitmq',
  'postgres',
  'mariadb',
  'memcached',
  'sqs',
  'pubsub',
] as const
export type ServiceName = (typeof SERVICE_NAMES)[number]

/** A process of a service, to be started detached. */
export interface ServiceProcess {
  /** Names pid file and log: `<label>.pid`, `<label>.log` in the service's folder. */
  label: string
  command: string
  args: readonly string[]
  env?: Readonly<Record<string, string>>
  /** Run as this user instead of ours; only root can. */
  user?: { uid: number; gid: number }
  /** Sent to the process on `stop`. Default SIGTERM. */
  stopSignal?: NodeJS.Signals
}

/**
 * What one service is. One file each; `catalogue.ts` lists them, `lifecycle.ts` does the rest.
 *
 * Duties:
 * 1. `probe` tells whether a *working* server of this kind answers at a URL, within about a second, and never throws.
 * 2. `install` is called as root or not at all where `needsRoot`; afterwards `isInstalled` is true or it has thrown.
 * 3. `prepare` makes data and configuration in the given folder, is safe to repeat, and touches nothing outside of it.
 * 4. `finish` runs once `probe` is true: accounts, databases. Safe to repeat.
 * 5. Nothing listens on anything but loopback.
 */
export interface Service {
  readonly name: ServiceName
  /** An environment variable with the URL of a server to use instead of ours. */
  readonly variable: string
  /** Where ours answers. */
  readonly url: string
  /** Debian packages, empty where the service comes from elsewhere. */
  readonly packages: readonly string[]
  /** False where installing needs no rights (a Python package in a folder of our own). */
  readonly needsRoot: boolean
  /** What a person without root has to do, in place of the compose file's command. */
  readonly manual?: string
  isInstalled(): boolean | Promise<boolean>
  /** Default: `apt-get install` of `packages`. */
  install?(): Promise<void>
  /** Labels of its processes in the order of starting. Default: the service's name alone. */
  readonly labels?: readonly string[]
  /** Data folder, when it cannot be in the user's cache folder. */
  readonly folder?: string
  prepare(folder: string): Promise<ServiceProcess[]>
  probe(url: string): Promise<boolean>
  finish?(url: string, folder: string): Promise<void>
  /** Empties the server without restarting it; without this, `reset` stops it, removes its data and starts it. */
  wipe?(url: string): Promise<void>
}
