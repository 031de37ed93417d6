/** Who has a worker: an app of @ct/core, not one of @ct/client (architecture: "What the API feels like"). */
import { createApp as createClientApp } from '@ct/client'
import { expectTypeOf } from 'vitest'
import { type App, type AsyncResult, createApp, type Worker } from './index.ts'

const app = createApp({ name: 'types' })
expectTypeOf(app).toEqualTypeOf<App>()
expectTypeOf(app.worker({ concurrency: 2 })).toEqualTypeOf<Worker>()
expectTypeOf(createClientApp()).not.toHaveProperty('worker')

// What settings change stays an app that can work.
expectTypeOf(app.configure({ taskTrackStarted: true })).toEqualTypeOf<App>()

const add = app.task('types.add', (x: number, y: number) => x + y)
expectTypeOf(add.delay(1, 2)).resolves.toEqualTypeOf<AsyncResult<number>>()
// @ts-expect-error an argument of the wrong type
void add.delay('1', 2)
// @ts-expect-error no such option
void app.worker({ concurency: 2 })
