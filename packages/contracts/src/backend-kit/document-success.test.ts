import { Buffer } from 'node:buffer'
import { describe, expect, it } from 'vitest'
import { compressResult, CompressorRegistry, decompressResult } from '../compression/index.ts'
import { documentIsSuccess } from './index.ts'

const compressors = new CompressorRegistry()

describe('documentIsSuccess', () => {
  it.each([
    ['as Celery writes it', '{"status": "SUCCESS", "result": 3, "traceback": null}', true],
    ['without spaces', '{"status":"SUCCESS","result":3}', true],
    ['in another order', '{"result": "status SUCCESS", "task_id": "x", "status": "SUCCESS"}', true],
    ['another state', '{"status": "FAILURE", "result": {"exc_message": ["SUCCESS"]}}', false],
    ['a state that begins so', '{"status": "SUCCESSFUL", "result": 1}', false],
    ['another state in another order', '{"result": {"status": "SUCCESS"}, "status": "FAILURE"}', false],
    ['not JSON after all', '{"status', false],
    ['YAML', 'children: []\nresult: 3\nstatus: SUCCESS\ntraceback: null\n', true],
    ['YAML, another state', 'result: SUCCESS\nstatus: FAILURE\n', false],
    ['nothing', '', false],
  ])('%s', (_, document, success) => {
    expect(documentIsSuccess(Buffer.from(document))).toBe(success)
  })

  // Made by Python: msgpack.packb, pickle.dumps protocols 2 and 4 of {'status': 'SUCCESS', 'result': 3}.
  it.each([
    ['msgpack', '82a6737461747573a753554343455353a6726573756c7403', true],
    [
      'pickle 2',
      '80027d7100285806000000737461747573710158070000005355434345535371025806000000726573756c7471034b03752e',
      true,
    ],
    [
      'pickle 4',
      '80049523000000000000007d94288c06737461747573948c0753554343455353948c06726573756c74944b03752e',
      true,
    ],
    ['msgpack, another state', '82a6737461747573a74641494c555245a6726573756c74a753554343455353', false],
  ])('%s', (_, hex, success) => {
    expect(documentIsSuccess(Buffer.from(hex, 'hex'))).toBe(success)
  })

  it('opens compressed documents (D57-25), and takes those it cannot open for something else', () => {
    const open = (document: Uint8Array): Uint8Array => decompressResult(document, compressors, 1_000_000)
    const packed = compressResult(Buffer.from('{"status": "SUCCESS"}'), 'zlib', compressors)
    expect(documentIsSuccess(packed, open)).toBe(true)
    expect(documentIsSuccess(packed)).toBe(false)
    expect(documentIsSuccess(packed.subarray(0, packed.length - 8), open)).toBe(false)
  })
})
