/**
 * Stores and publishes result documents.
 *
 * Guarantee: atomic; a SUCCESS that stands there stays, and nobody is told of the dropped write (R5).
 *
 * KEYS  one per document
 * ARGV  per document: ttl in ms ('' for ever), guard, document
 * Reply indexes (from 1) of documents that were not written because the client must look at what stands there
 */
import { script, type Script } from '../connection/script.ts'
import { storeResult } from './store-result.ts'

export const storeResults: Script = script(
  'store-results',
  `${storeResult}
local undecided = {}
for i = 1, #KEYS do
  if not store(KEYS[i], ARGV[3 * i - 2], ARGV[3 * i - 1], ARGV[3 * i]) then undecided[#undecided + 1] = i end
end
return undecided
`,
)
