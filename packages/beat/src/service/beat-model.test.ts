/**
 * Beat against a model: random entries, and random things that happen to clock, beats and entries. Whenever everybody sleeps, what was sent has to
 * be what the schedules' arithmetic says, which `schedule/*.interop.test.ts` compares with Celery's own:
 *
 *   arithmetic   each run is made for the instant that its schedule gives after the run before, and not before that instant
 *   never skip   nothing that is due stays unsent for longer than a nap, while a beat leads
 *   never double no instant of an entry is sent twice, and the queue holds exactly what was sent. Where store and broker are two servers, the one
 *                send that was under way when another one took the lead, under the same id
 */
import { randomUUID } from 'node:crypto'
import { memory, memoryBroker, memoryScheduleStore } from '@ct/broker-memory'
import { App } from '@ct/client'
import type { Delivery } from '@ct/contracts'
import { recordingLogger, seededRandom } from '@ct/testing'
import { afterEach, expect, it } from 'vitest'
import { randomCrontab, zones, type Random } from '../../test/random-schedules.ts'
import { VirtualTime, type VirtualClock } from '../../test/virtual-time.ts'
import { crontab, interval, solar, type Schedule } from '../schedule/index.ts'
import { timeZone } from '../schedule/time-zone.ts'
import { createBeat, type Beat } from './beat.ts'
import { firingId } from './firing-id.ts'
import type { SentFiring } from './firing-sender.ts'

const isLong = process.env['CT_NIGHTLY'] !== undefined
const leaseMs = 5000
/** A nap, and a look for what others changed. */
const patienceMs = 1001

let time: VirtualTime | undefined
afterEach(() => time?.end())

interface Known {
  readonly name: string
  readonly schedule: Schedule
  lastRunAt: number
  /** When it was first seen to be due and unsent; passed time. */
  dueSince: number | undefined
}

class Simulation {
  readonly time: VirtualTime
  readonly random: Random
  readonly zone: string
  readonly hub = randomUUID()
  readonly storeHub: string
  readonly logger = recordingLogger()
  readonly beats: { readonly beat: Beat; readonly clock: VirtualClock; readonly app: App }[] = []
  readonly known = new Map<string, Known>()
  readonly sent: SentFiring[] = []
  readonly instants = new Set<string>()
  readonly isOneServer: boolean
  /** Changes of who leads, and sends that were under way at one. */
  leads = 0
  doubled = 0
  names = 0
  /** No beat can be expected to send before; passed time. */
  disturbedUntil = 0

  constructor(seed: number, elsewhere: boolean) {
    this.random = seededRandom(seed)
    this.zone = zones[this.random.below(zones.length)]!
    this.isOneServer = !elsewhere
    this.storeHub = elsewhere ? randomUUID() : this.hub
    // Half of the runs begin within hours of a change of the clock.
    const anywhere = Date.UTC(2015 + this.random.below(20), this.random.below(12), 1 + this.random.below(28))
    const change = timeZone(this.zone).changes(anywhere - 200 * 86_400_000, anywhere)[0]
    const start = change === undefined || this.random.next() < 0.5 ? anywhere : change.at - 2 * 3_600_000
    time = this.time = new VirtualTime(start + this.random.below(60_000))
  }

  schedule(): Schedule {
    const kind = this.random.next()
    if (kind < 0.5) {
      const [minute, hour, dayOfWeek, dayOfMonth, monthOfYear] = randomCrontab(this.random)
      const often = this.random.next() < 0.7
      try {
        return crontab(
          often
            ? { minute, hour: this.random.next() < 0.5 ? '*' : hour }
            : { minute, hour, dayOfWeek, dayOfMonth, monthOfYear },
        )
      } catch {
        // A day that never comes.
        return crontab({ minute })
      }
    }
    if (kind < 0.95) {
      const unit = [1000, 60_000, 3_600_000][this.random.below(3)]!
      return interval(
        { milliseconds: unit * (1 + this.random.below(50)) },
        { relative: this.random.next() < 0.3 },
      )
    }
    return solar({
      event: 'sunset',
      latitude: this.random.below(120) - 60,
      longitude: this.random.below(360) - 180,
    })
  }

  async startBeat(): Promise<void> {
    const clock = this.time.clock()
    const app = new App({
      name: 'model',
      timezone: this.zone,
      broker: `memory://${this.hub}`,
      adapters: [memory],
      environment: {},
      logger: this.logger,
    })
    const beat = createBeat(app, {
      store: memoryScheduleStore({ url: `memory://${this.storeHub}` }),
      clock,
      leaseMs,
    })
    beat.on('leading', () => void this.leads++)
    beat.on('sent', (one) => this.heard(one))
    this.beats.push({ beat, clock, app })
    await beat.start()
  }

  heard(one: SentFiring): void {
    this.sent.push(one)
    const key = `${one.name} ${one.scheduledAt.getTime()}`
    const isTwice = this.instants.has(key)
    if (isTwice && !this.isOneServer) {
      // The first leader takes the lead from nobody.
      expect(++this.doubled, `twice: ${key}`).toBeLessThan(this.leads)
      return
    }
    expect(isTwice, `twice: ${key}`).toBe(false)
    this.instants.add(key)
    const entry = this.known.get(one.name)
    expect(entry, `${one.name} is gone`).toBeDefined()
    const ranAt = one.scheduledAt.getTime() + one.lateMs
    const last = new Date(entry!.lastRunAt)
    expect(entry!.schedule.isDue(last, new Date(ranAt)).due, `${key} is not due`).toBe(true)
    expect(one.scheduledAt).toEqual(entry!.schedule.dueAt(last, new Date(ranAt)))
    entry!.lastRunAt = ranAt
    entry!.dueSince = undefined
  }

  /** Everybody sleeps. */
  settled(): void {
    const leads = this.beats.some(({ beat, clock }) => beat.status === 'leading' && !clock.stopped)
    if (!leads) this.disturbedUntil = Math.max(this.disturbedUntil, this.time.passed)
    for (const entry of this.known.values()) {
      const { due } = entry.schedule.isDue(new Date(entry.lastRunAt), new Date(this.time.wall))
      if (!due) entry.dueSince = undefined
      else entry.dueSince ??= this.time.passed
      const since = Math.max(entry.dueSince ?? Infinity, this.disturbedUntil)
      expect(this.time.passed - since, `${entry.name} is due and not sent`).toBeLessThanOrEqual(patienceMs)
    }
  }

  async step(): Promise<void> {
    const { random } = this
    const what = random.next()
    const alive = this.beats.filter(({ clock }) => !clock.ended && !clock.stopped)
    const stopped = this.beats.filter(({ clock }) => clock.stopped)
    const one = alive[random.below(alive.length)]
    if (what < 0.2)
      this.time.jump(
        (random.next() < 0.5 ? -1 : 1) * random.below(random.next() < 0.5 ? 5000 : 3 * 3_600_000),
      )
    else if (what < 0.35) await this.change()
    else if (what < 0.45 && alive.length > 1 && one !== undefined) {
      one.clock.ended = true
      await one.beat.stop()
      await one.app.close()
    } else if (what < 0.55 && alive.length > 1 && one !== undefined) one.clock.stopped = true
    else if (what < 0.7 && stopped.length > 0) stopped[0]!.clock.stopped = false
    else if (what < 0.75 && alive.length < 3) await this.startBeat()
    // Whoever leads next has to notice first: the lease, and a look at it.
    this.disturbedUntil = Math.max(
      this.disturbedUntil,
      this.time.passed + (what >= 0.35 && what < 0.75 ? leaseMs * 1.5 : 1001),
    )
    const scale = [2000, 60_000, 600_000][random.below(3)]!
    await this.time.advance(1 + random.below(scale), () => this.settled())
  }

  async change(): Promise<void> {
    const leader = this.beats.find(({ beat, clock }) => beat.status === 'leading' && !clock.stopped)
    if (leader === undefined) return
    const names = [...this.known.keys()]
    const victim = names[this.random.below(names.length)]
    if (this.random.next() < 0.3 && victim !== undefined) {
      this.known.delete(victim)
      await leader.beat.tasks.remove(victim)
      return
    }
    const name = `e${this.names++}`
    const made = this.schedule()
    const schedule = made.bind?.({ timezone: this.zone, beatCronStartingDeadline: null }) ?? made
    this.known.set(name, { name, schedule, lastRunAt: this.time.wall, dueSince: undefined })
    await leader.beat.tasks.add(name, { task: 'model.task', schedule: made })
  }

  async end(): Promise<void> {
    for (const { clock } of this.beats) clock.stopped = false
    await this.time.advance(leaseMs * 2)
    for (const { beat, clock } of this.beats) {
      clock.ended = true
      await beat.stop()
    }
    const ids = (await this.messages()).map(({ headers }) => headers['id']).toSorted()
    const expected = this.sent.map(({ name, scheduledAt }) =>
      firingId('model', name, 'model.task', scheduledAt.getTime()),
    )
    expect(ids).toEqual(expected.toSorted())
    for (const { app } of this.beats) await app.close()
    expect(
      this.logger.records
        .filter(({ level }) => level === 'error')
        .map(({ message, fields }) => [message, String(fields['error'])]),
    ).toEqual([])
  }

  async messages(): Promise<Delivery[]> {
    const broker = memoryBroker({ url: `memory://${this.hub}` })
    const connection = await broker.connect({ onNotice: () => undefined })
    const found: Delivery[] = []
    const consumer = await connection.openConsumer({
      credit: Infinity,
      onDelivery: (one) => void found.push(one),
    })
    const queue = { name: 'celery', durable: true, exclusive: false, autoDelete: false, bindings: [] }
    await consumer.subscribe([{ queue, noAck: true }])
    for (let turn = 0; turn < 20; turn++) await new Promise<void>((resolve) => setImmediate(resolve))
    await broker.close()
    return found
  }
}

const seeds = Array.from({ length: isLong ? 200 : 16 }, (_, index) => index + 1)

it.each(seeds)(
  'PAIN-31, BEAT-38: what is sent is what is due, seed %i',
  async (seed) => {
    const simulation = new Simulation(seed, seed % 3 === 0)
    await simulation.startBeat()
    for (let count = 0; count < 4; count++) await simulation.change()
    for (let count = 0; count < 30; count++) await simulation.step()
    await simulation.end()
  },
  120_000,
)

it('BEAT-58: a steady clock: exactly the instants that the schedules list, each in its own zone, over both changes of the clock', async () => {
  for (const start of [Date.UTC(2026, 2, 28, 22), Date.UTC(2026, 9, 24, 22)]) {
    const simulation = new Simulation(1, false)
    simulation.time.jump(start - simulation.time.wall)
    await simulation.startBeat()
    const { beat } = simulation.beats[0]!
    const specs: Record<string, Schedule> = {
      quarter: crontab({ minute: '*/15', timezone: 'Europe/Berlin' }),
      night: crontab({ minute: 30, hour: 2, timezone: 'Europe/Berlin' }),
      hourly: crontab({ minute: 0, timezone: 'America/New_York' }),
    }
    for (const [name, schedule] of Object.entries(specs)) {
      simulation.known.set(name, { name, schedule, lastRunAt: start, dueSince: undefined })
      await beat.tasks.add(name, { task: 'model.task', schedule })
    }
    await simulation.time.advance(8 * 3_600_000 - 1, () => simulation.settled())
    for (const [name, schedule] of Object.entries(specs)) {
      const expected: string[] = []
      for (
        let at = schedule.next(new Date(start), new Date(start));
        at!.getTime() < start + 8 * 3_600_000;
        at = schedule.next(at!, at!)
      )
        expected.push(at!.toISOString())
      expect(
        simulation.sent
          .filter((one) => one.name === name)
          .map(({ scheduledAt }) => scheduledAt.toISOString()),
      ).toEqual(expected)
    }
    await simulation.end()
    simulation.time.end()
  }
}, 180_000)
