import { spawn } from 'node:child_process'
import { text } from 'node:stream/consumers'
import type { Socket } from 'node:net'
import { expect, it } from 'vitest'
import { writeFully } from './write-fully.ts'

const fdOf = (stream: unknown): number =>
  (stream as Socket & { readonly _handle: { readonly fd: number } })._handle.fd

it('writes all of it to a pipe that is full for a while', async () => {
  const child = spawn('sh', ['-c', 'sleep 0.1; wc -c'], { stdio: ['pipe', 'pipe', 'ignore'] })
  writeFully(fdOf(child.stdin), 'x'.repeat(2 ** 21))
  child.stdin.end()
  expect((await text(child.stdout)).trim()).toBe(String(2 ** 21))
})

it('gives up where nobody reads any more', async () => {
  const child = spawn('sh', ['-c', 'exec <&-; echo closed; sleep 0.1'], { stdio: ['pipe', 'pipe', 'ignore'] })
  await new Promise((resolve) => child.stdout.once('data', resolve))
  child.stdin.on('error', () => {})
  expect(() => writeFully(fdOf(child.stdin), 'x')).not.toThrow()
  await new Promise((resolve) => child.once('close', resolve))
})
