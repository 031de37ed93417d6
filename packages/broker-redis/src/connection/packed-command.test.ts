import { expect, it } from 'vitest'
import { PackedCommand, type PackedArgument } from './packed-command.ts'

function packed(args: readonly PackedArgument[]): string {
  return new PackedCommand('set', args).toWritable().toString('latin1')
}

/** As RESP2 has it, argument by argument. */
function expected(args: readonly (string | Buffer | number)[]): string {
  const bytes = [...['set', ...args].map((one) => (Buffer.isBuffer(one) ? one : Buffer.from(String(one))))]
  return `*${bytes.length}\r\n${bytes.map((one) => `$${one.length}\r\n${one.toString('latin1')}\r\n`).join('')}`
}

const long = 'x'.repeat(5000)

it.each<readonly [string, readonly (string | Buffer | number)[]]>([
  ['none', []],
  ['short ones', ['key', 12, '', Buffer.from([0, 255, 10])]],
  ['a long one', ['key', long, 'end']],
  ['long ones side by side', [long, long, Buffer.from(`${long}ü`), 'end']],
  ['beyond ASCII', ['größe-📮', `${long}📮`]],
])('B4: arguments are one packet: %s', (_, args) => {
  expect(packed(args)).toBe(expected(args))
})

it.each<readonly [string, readonly string[]]>([
  ['no piece', []],
  ['one', ['a']],
  ['short ones', ['[', '{"a": 1}', ', "ü"]']],
  ['a long one between short ones', ['[', long, ', "größe"]']],
  ['long ones', [long, `${long}📮`, '', long]],
])('B4: an argument in pieces is what they are together: %s', (_, pieces) => {
  expect(packed(['key', pieces, 1])).toBe(expected(['key', pieces.join(''), 1]))
})
