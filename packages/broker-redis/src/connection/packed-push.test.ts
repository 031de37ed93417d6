import { expect, it } from 'vitest'
import { PackedCommand } from './packed-command.ts'
import { PackedPush } from './packed-push.ts'

/** The same by the command that packs what it is given all at once. */
function expected(list: string, values: readonly string[]): string {
  return new PackedCommand('lpush', [list, ...values]).toWritable().toString('latin1')
}

function packed(list: string, values: readonly string[]): string {
  const push = new PackedPush(list)
  for (const value of values) push.add(value)
  expect(push.count).toBe(values.length)
  return push.toWritable().toString('latin1')
}

it.each([
  ['one value', 'celery', ['{"a": 1}']],
  ['an empty value', 'celery', ['']],
  ['two', 'celery\x06\x163', ['{"a": 1}', '{"b": 2}']],
  ['many, beyond the first buffer', 'celery', Array.from({ length: 500 }, (_, n) => 'x'.repeat(n))],
  ['one that is larger than all before', 'celery', ['a', 'b', 'c'.repeat(1_000_000), 'd']],
  ['a list whose name is not ASCII', 'größe-📮', ['{"a": 1}', '{"b": 2}', '{"c": 3}']],
])('B4: %s make the packet of an LPUSH', (_, list, values) => {
  expect(packed(list, values)).toBe(expected(list, values))
})
