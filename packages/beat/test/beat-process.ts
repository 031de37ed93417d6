/** A beat as a process: tells what it does on standard output. Arguments: URL of the broker, of the store, lease in ms, and the entries as JSON. */
import { redis } from '@ct/broker-redis'
import { App } from '@ct/client'
import { createBeat } from '../src/index.ts'

const [broker = '', store = '', leaseMs = '', entries = '{}'] = process.argv.slice(2)
const tell = (text: string): void => void process.stdout.write(`${text}\n`)
const app = new App({
  name: 'proj',
  broker,
  adapters: [redis],
  environment: {},
  beatSchedule: JSON.parse(entries) as Record<string, unknown>,
})
const beat = createBeat(app, { store, leaseMs: Number(leaseMs), signals: true })
beat.on('leading', () => tell('leading'))
beat.on('standby', () => tell('standby'))
beat.on('failing', (error) => tell(`failing ${error.message}`))
beat.on('sent', ({ name, taskId, lateMs }) => tell(`sent ${name} ${taskId} ${lateMs}`))
await beat.start()
process.on('SIGINT', () => tell('stopping'))
await beat.finished()
await app.close()
tell('stopped')
