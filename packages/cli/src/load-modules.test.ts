import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { createApp } from '@ct/client'
import { describe, expect, it } from 'vitest'
import { loaded } from './fixtures/modules/loaded.ts'
import { loadModules } from './load-modules.ts'

const at = (name: string): string => join(import.meta.dirname, 'fixtures/modules', `${name}.ts`)
const url = (name: string): string => pathToFileURL(at(name)).href

describe('APP-60, SET-86, SET-87: modules with tasks', () => {
  it('imports, then include, then -I: each is run, once; all are told, the app’s own first', async () => {
    const app = createApp({ environment: {}, imports: [at('second')], include: [at('third'), at('second')] })
    const urls = await loadModules(app, url('main'), [at('first'), at('third')])
    expect(loaded).toEqual(['second', 'third', 'first'])
    expect(urls).toEqual([url('main'), url('second'), url('third'), url('first')])
  })

  it('one that is not there ends it', async () => {
    const app = createApp({ environment: {}, include: [at('nowhere')] })
    await expect(loadModules(app, undefined, [])).rejects.toThrow(/nowhere\.ts/)
  })
})
