import { afterEach, describe, expect, it, vi } from 'vitest'
import { chord, createApp, group, memoryBroker, type AppOptions } from './index.ts'

const environment = {}
afterEach(() => vi.restoreAllMocks())

function warnings(): string[] {
  const seen: string[] = []
  vi.spyOn(console, 'warn').mockImplementation((text: string) => void seen.push(text))
  return seen
}

function app(options: AppOptions = {}): ReturnType<typeof createApp> {
  return createApp({ name: 'core', environment, ...options })
}

describe('createApp of @ct/core', () => {
  it('defines, sends and works tasks in one process, with nothing configured', async () => {
    const seen = warnings()
    await using proj = app()
    const add = proj.task('core.add', (x: number, y: number) => x + y)
    const sum = proj.task('core.sum', (numbers: readonly number[]) => numbers.reduce((a, b) => a + b, 0))
    await using worker = proj.worker({ concurrency: 2 })
    await worker.start()
    const result = await chord(group([add.s(1, 1), add.s(2, 2)]), sum.s()).applyAsync()
    expect(await result.get({ timeoutMs: 20_000 })).toBe(6)
    expect(seen).toEqual([expect.stringContaining('No broker is configured')])
  })

  it('is silent when the embedded broker is meant', () => {
    const seen = warnings()
    expect(app({ broker: 'memory://' }).context.broker.describe().transport).toBe('memory')
    expect(app({ broker: memoryBroker() }).context.broker.name).toBe('memory')
    expect(seen).toEqual([])
  })

  it('disables results where a broker is given and no backend, as Celery does', () => {
    expect(app({ broker: 'memory://' }).context.backend).toBeUndefined()
    expect(app().context.backend?.name).toBe('memory')
    expect(app({ resultBackend: null }).context.backend).toBeUndefined()
  })

  it('stands back for every other source of a broker', () => {
    const seen = warnings()
    const url = (made: ReturnType<typeof createApp>): string => made.context.broker.describe().url
    expect(url(app({ environment: { CELERY_BROKER_URL: 'memory://env' } }))).toBe('memory://env')
    expect(url(app().configure({ brokerUrl: 'memory://conf' }))).toBe('memory://conf')
    expect(url(app().configFromObject({ broker_url: 'memory://file' }))).toBe('memory://file')
    expect(url(app().addDefaults({ brokerUrl: 'memory://added' }))).toBe('memory://added')
    expect(url(app().addDefaults(() => ({ brokerUrl: 'memory://late' })))).toBe('memory://late')
    expect(seen).toEqual([])
  })

  it('finds the adapter of an installed package by the scheme of the URL', () => {
    const made = app({ broker: 'redis://:secret@localhost:1/3', backend: 'redis://localhost:1/3' })
    expect(made.context.broker.packageName).toBe('@ct/broker-redis')
    expect(made.context.broker.describe().url).toBe('redis://:**@localhost:1/3')
    expect(made.context.backend?.packageName).toBe('@ct/broker-redis')
  })

  it('names the package to install for a scheme that nobody owns', () => {
    for (const [url, name] of [
      ['gcpubsub://projects/p', '@ct/broker-pubsub'],
      ['sqs://', '@ct/broker-sqs'],
    ] as const) {
      expect(() => app({ broker: url }).context.broker).toThrow(`npm install ${name}`)
    }
    expect(() => app({ broker: 'rediz://localhost' }).context.broker).toThrow('Did you mean "redis"?')
  })

  it('refuses unknown settings and worker options', () => {
    expect(() => app({ taskAckLate: true } as never)).toThrow('taskAcksLate')
    expect(() => app().worker({ concurency: 3 } as never)).toThrow('concurrency')
  })
})
