/** Broken input made of good input: what decoders must survive. */
import { seededRandom } from '../../seeded-random.ts'

/** `count` mutations of the samples, and pure noise in between; the same for the same seed. */
export function* garbage(samples: readonly Uint8Array[], count: number, seed: number): Generator<Uint8Array> {
  const random = seededRandom(seed)
  for (let index = 0; index < count; index++) {
    const sample = samples[random.below(samples.length)]
    if (sample === undefined || sample.length === 0 || random.next() < 0.2) {
      yield Uint8Array.from({ length: random.below(64) }, () => random.below(256))
      continue
    }
    const bytes = Uint8Array.from(sample)
    switch (random.below(4)) {
      case 0:
        yield bytes.subarray(0, random.below(bytes.length))
        break
      case 1: {
        const at = random.below(bytes.length)
        bytes[at] = (bytes[at] ?? 0) ^ (1 << random.below(8))
        yield bytes
        break
      }
      case 2: {
        const at = random.below(bytes.length)
        yield Uint8Array.from([...bytes.subarray(0, at), ...bytes.subarray(random.below(bytes.length))])
        break
      }
      default: {
        for (let flips = 1 + random.below(8); flips > 0; flips--)
          bytes[random.below(bytes.length)] = random.below(256)
        yield bytes
      }
    }
  }
}
