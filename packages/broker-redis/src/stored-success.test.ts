import zlib from 'node:zlib'
import { expect, it } from 'vitest'
import { saysSuccess } from './stored-success.ts'

const compressed = (type: string, data: Buffer): Buffer =>
  Buffer.concat([Buffer.from(`\0celery-compressed\0${type}\0`), data])

it('R5: a SUCCESS is known in every form that Celery stores', () => {
  const success = [
    '{"status": "SUCCESS", "result": 1}',
    '{"result": "x", "status":"SUCCESS"}',
    '{"result": NaN, "status": "SUCCESS"}',
    'children: []\nresult: 1\nstatus: SUCCESS\n',
    '\x82\xa6status\xa7SUCCESS\xa6result\x01',
    '\x80\x05\x95\x1c\x00}\x94\x8c\x06status\x94\x8c\x07SUCCESS\x94s.',
  ].map((text) => Buffer.from(text, 'latin1'))
  for (const document of success) {
    expect([document.toString('latin1'), saysSuccess(document)]).toEqual([document.toString('latin1'), true])
    expect(saysSuccess(compressed('application/x-gzip', zlib.deflateSync(document)))).toBe(true)
    expect(saysSuccess(compressed('application/x-brotli', zlib.brotliCompressSync(document)))).toBe(true)
    expect(saysSuccess(compressed('application/zstd', zlib.zstdCompressSync(document)))).toBe(true)
  }
})

it('R5: other states, and what only mentions the word, are none', () => {
  const other = [
    '{"status": "FAILURE", "result": "SUCCESS"}',
    '{"status": "STARTED", "result": {"status": "SUCCESS"}}',
    '\x82\xa6status\xa7FAILURE\xa6result\xa7SUCCESS',
    'result: SUCCESS\nstatus: RETRY\n',
    '',
  ].map((text) => Buffer.from(text, 'latin1'))
  expect(other.filter(saysSuccess)).toEqual([])
  expect(saysSuccess(compressed('application/x-gzip', Buffer.from('broken')))).toBe(false)
  expect(saysSuccess(compressed('application/x-lzma', Buffer.from('unknown here')))).toBe(false)
})
