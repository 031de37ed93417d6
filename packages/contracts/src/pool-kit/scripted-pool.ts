/** For the tests of this room: a pool whose slots are the test. */
import type { Pool } from '../pool.ts'
import type { FromSlot, ToSlot } from './slot-frames.ts'
import { defineSlotPool } from './slot-pool.ts'

export interface ScriptedSlot {
  /** What it was sent. */
  readonly frames: ToSlot[]
  /** The pool listens; what is said meanwhile it hears later. */
  readonly heard: boolean
  /** Dies at once when it is killed. Default true. */
  exitsAtOnce: boolean
  say(...frames: FromSlot[]): void
  call(): void
  exit(): void
}

/** Resolves when all slots are ready. Fake timers are the caller's. */
export async function startScripted(
  size: number,
): Promise<{ readonly pool: Pool; readonly slots: ScriptedSlot[] }> {
  const slots: ScriptedSlot[] = []
  const pool = defineSlotPool({
    name: 'p',
    packageName: 'p',
    capabilities: {
      implementation: '',
      sharesMemory: false,
      canKill: true,
      isolatesCpu: true,
      resizable: true,
    },
    transport: {
      open(options) {
        const frames: ToSlot[] = []
        let kept: FromSlot[][] = []
        const slot = {
          frames,
          heard: true,
          exitsAtOnce: true,
          say(...said: FromSlot[]) {
            if (slot.heard) options.onFrames(said)
            else kept.push(said)
          },
          call: () => options.onCall(),
          exit: () => options.onExit({ exitCode: undefined, signal: '9 (SIGKILL)', reason: undefined }),
        }
        slots.push(slot)
        return {
          pid: slots.length,
          holdsPart: false,
          send: (sent) => void frames.push(...sent),
          listen(on) {
            slot.heard = on
            if (!on) return
            const now = kept
            kept = []
            // As a stream does it: in a turn of its own.
            setImmediate(() => {
              for (const said of now) options.onFrames(said)
            })
          },
          kill() {
            if (slot.exitsAtOnce) slot.exit()
            return 'ends'
          },
        }
      },
    },
    info: () => ({}),
  })
  const starting = pool.start({
    size,
    entry: new URL('file:///entry.js'),
    modules: ['m'],
    config: null,
    execute: () => Promise.reject(new Error('elsewhere')),
    onSlotError: (error) => {
      throw error
    },
    maxTasksPerChild: undefined,
    maxMemoryPerChildKb: undefined,
  })
  for (const slot of slots) slot.say([0, 1])
  await starting
  return { pool, slots }
}
