import { freePort } from '@ct-tools/services'
import { type CeleryProcess, startCelery } from './celery-process.ts'
import type { PythonApp } from './python-environment.ts'

export interface FlowerOptions extends PythonApp {
  /** More words of `celery flower`, such as `--basic-auth=me:secret`. */
  readonly args?: readonly string[]
  /** Sent with each request. */
  readonly authorization?: string
}

export interface FlowerAnswer {
  readonly status: number
  readonly text: string
  /** The body, when it is JSON. */
  readonly json: unknown
}

/** A real Flower, as `celery flower` starts it. */
export interface Flower extends AsyncDisposable {
  readonly url: string
  readonly process: CeleryProcess
  /** A request to one of its pages or its API; fields go as a form, or with `json` as a body. */
  request(
    method: 'GET' | 'POST',
    path: string,
    fields?: Readonly<Record<string, string | number>>,
    json?: unknown,
  ): Promise<FlowerAnswer>
}

/** Starts Flower on a free port of this machine; resolves when it answers. */
export async function startFlower(options: FlowerOptions): Promise<Flower> {
  const { args = [], authorization, ...app } = options
  const port = await freePort()
  const url = `http://127.0.0.1:${port}`
  const process = await startCelery(
    {
      ...app,
      version: 'flower',
      env: { FLOWER_UNAUTHENTICATED_API: 'true', ...app.env },
      args: ['flower', '--address=127.0.0.1', `--port=${port}`, ...args],
    },
    /Connected to/,
  )
  return {
    url,
    process,
    async request(method, path, fields, json) {
      const query = new URLSearchParams(
        Object.entries(fields ?? {}).map(([name, value]): [string, string] => [name, String(value)]),
      )
      const response = await fetch(method === 'GET' ? `${url}${path}?${query}` : `${url}${path}`, {
        method,
        redirect: 'manual',
        headers: authorization === undefined ? {} : { authorization },
        ...(method === 'GET' ? {} : { body: json === undefined ? query : JSON.stringify(json) }),
        signal: AbortSignal.timeout(20_000),
      })
      const text = await response.text()
      return { status: response.status, text, json: parse(text) }
    },
    [Symbol.asyncDispose]: () => process[Symbol.asyncDispose](),
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
