/**
 * The values of a certificate's issuer, in the order in which they stand there (RFC 5280 §4.1). Node shows them as text with characters escaped,
 * Python's `cryptography` as they are, and the id of a signer must be the same on both sides; so they are read from the DER.
 */
interface Element {
  readonly tag: number
  readonly from: number
  readonly to: number
}

const sequence = 0x30
const version = 0xa0
const decoders: Readonly<Record<number, string>> = {
  0x0c: 'utf-8',
  0x14: 'latin1',
  0x1e: 'utf-16be',
  0x13: 'latin1',
  0x16: 'latin1',
}

export function issuerValues(der: Uint8Array): string[] {
  const body = children(der, children(der, first(der))[0]!)
  // version (optional), serial number, algorithm, issuer, …
  const issuer = body[body[0]?.tag === version ? 3 : 2]
  if (issuer?.tag !== sequence) throw new TypeError('the certificate has no issuer')
  return children(der, issuer).flatMap((set) =>
    children(der, set).map((pair) => {
      const value = children(der, pair)[1]
      if (value === undefined) throw new TypeError('the issuer has a name without a value')
      return text(der.subarray(value.from, value.to), value.tag)
    }),
  )
}

function text(bytes: Uint8Array, tag: number): string {
  const encoding = decoders[tag] ?? 'utf-8'
  if (encoding === 'latin1') return Buffer.from(bytes).toString('latin1')
  return new TextDecoder(encoding).decode(bytes)
}

function first(der: Uint8Array): Element {
  return element(der, 0)
}

function children(der: Uint8Array, parent: Element): Element[] {
  const found: Element[] = []
  for (let at = parent.from; at < parent.to;) {
    const child = element(der, at)
    found.push(child)
    at = child.to
  }
  return found
}

function element(der: Uint8Array, at: number): Element {
  const tag = der[at]
  let length = der[at + 1]
  let from = at + 2
  if (tag === undefined || length === undefined) throw new TypeError('the certificate ends too early')
  if (length > 0x7f) {
    const bytes = length & 0x7f
    length = 0
    for (let index = 0; index < bytes; index++) length = length * 256 + (der[from + index] ?? 0)
    from += bytes
  }
  return { tag, from, to: from + length }
}
