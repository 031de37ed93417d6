import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { python, tryPython } from '@ct-tools/interop'
import { freshRedis, tryServices } from '@ct-tools/services'
import { redisBackend, redisBroker } from '@ct/broker-redis'
import { createApp } from '@ct/client'
import { createWorker } from '@ct/worker'
import { describe, expect, it } from 'vitest'
import { makeSigner } from '../test/make-signer.ts'
import { setupSecurity } from './index.ts'

const ready = (await tryPython('5.7')) && (await tryServices(['redis'])) !== undefined

describe.skipIf(!ready)('signed messages of ct and Celery 5.7', () => {
  it('SEC-41, SEC-42, SEC-43, WIRE-57: each reads what the other signed, and Python calls a ct task', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'ct-auth-'))
    try {
      makeSigner(folder, 'signer', ['/C=DE/O=Käse, Brot + Co/CN=me'])
      const [key, cert] = [join(folder, 'signer.key'), join(folder, 'signer.crt')]
      await using redis = await freshRedis()
      await using client = await python('5.7', { broker: redis.url, backend: redis.url })
      await client.exec(
        [
          'from kombu.serialization import dumps, loads',
          'from celery.security.serialization import register_auth',
          'register_auth(open(key).read(), None, open(cert).read(), cert, "sha256", "json")',
          'app.conf.task_serializer = "auth"',
        ].join('\n'),
        { key, cert },
      )
      await using app = createApp({
        name: 'interop',
        broker: redisBroker({ url: redis.url }),
        backend: redisBackend({ url: redis.url }),
        taskSerializer: 'auth',
        acceptContent: ['auth'],
        resultAcceptContent: ['json'],
        environment: {},
      })
      setupSecurity(app, { key, cert, store: cert })
      const { serializers } = app.context
      const ours = Buffer.from(serializers.get('auth').encode([1, 'ü'])).toString()
      expect(await client.exec('loads(m, "application/data", "utf-8", force=True)', { m: ours })).toEqual([
        1,
        'ü',
      ])
      const theirs = await client.exec<string>('dumps([2, "ö"], serializer="auth")[2]')
      expect(serializers.get('auth').decode(Buffer.from(theirs))).toEqual([2, 'ö'])
      app.task('interop_tasks.signed', { params: ['x', 'y'] }, (x: number, y: number) => x * y)
      await using worker = createWorker(app, { withoutMingle: true })
      await worker.start()
      const call = 'app.send_task("interop_tasks.signed", args, kwargs, serializer="auth").get(timeout=20)'
      expect(await client.exec(call, { args: [6], kwargs: { y: 7 } })).toBe(42)
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  })
})
