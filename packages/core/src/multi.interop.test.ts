/** `ct multi` against `celery multi`: the same nodes with the same options, word by word. */
import { runCelery, tryPython } from '@ct-tools/interop'
import { describe, expect, it } from 'vitest'
import { ct } from './fixtures/command.ts'

const ready = await tryPython('5.7')

/** What comes behind the program, without what names it, in no order: `-c 3` and `--pidfile=x` are one each. */
function wordsOf(line: string): readonly string[] {
  const words = line.trim().split(/\s+/)
  const pairs: string[] = []
  for (let at = 0; at < words.length; at++) {
    const word = words[at]!
    if (word.startsWith('--executable=')) continue
    if (word === '--') return [...pairs.toSorted(), words.slice(at).join(' ')]
    const next = words[at + 1]
    if (/^-[A-Za-z]$/.test(word) && next !== undefined && !next.startsWith('-')) {
      pairs.push(`${word} ${next}`)
      at += 1
    } else pairs.push(word)
  }
  return pairs.toSorted()
}

const files = ['--pidfile=/var/run/%n.pid', '--logfile=/var/log/%n%I.log']
const lines: readonly (readonly string[])[] = [
  ['3', '-c', '3', '-c:1', '10', '--hostname=h.example.com', ...files],
  ['5', '-c', '3', '-c:1-3', '10', '-Q:4,5', 'data', '-A', 'proj', '-l', 'info', ...files],
  [
    'image',
    'video',
    'data',
    '-c',
    '3',
    '-c:image',
    '10',
    '-Q:2,3',
    'q',
    '--prefix=x',
    '--suffix=y.com',
    ...files,
  ],
  ['foo@%h', 'bar@worker.example.com', '-E', '--pidfile=/var/run/%h.pid', '--logfile=/var/log/%d.log'],
  ['2', '--range-prefix=wk', '--hostname=h', '-q', '--purge', ...files, '--', 'worker.prefetch_multiplier=1'],
  ['a-b', 'c', '-c:a-b', '7', '--hostname=h', '-b', 'redis://x/%n', ...files],
]

describe.skipIf(!ready)('WORK-105, WORK-106, WORK-107, WORK-109, CLI-36: ct multi and celery multi', () => {
  it.each(lines)('show %s %s …', async (...line) => {
    const [own, theirs] = await Promise.all([
      ct(['-A', 'interop_tasks', 'multi', 'show', ...line]),
      runCelery('5.7', ['multi', 'show', ...line], { broker: 'memory://' }),
    ])
    expect(own.code).toBe(0)
    const ours = own.out
      .trim()
      .split('\n')
      .map((text) => wordsOf(text.slice(text.indexOf('ct.js') + 5)))
    const celerys = theirs.stdout
      .trim()
      .split('\n')
      .map((text) => wordsOf(text.slice(text.indexOf('-m celery') + 9)))
    expect(ours).toEqual(celerys)
  })

  it.each([
    ['names', ['a', 'b@%h', '3', '--prefix=p', '--suffix=s.com']],
    ['expand', ['/x/%n/%h/%d/%N', '3', '--hostname=h.example.com']],
  ])('%s', async (what, line) => {
    const [own, theirs] = await Promise.all([
      ct(['-A', 'interop_tasks', 'multi', what, ...line]),
      runCelery('5.7', ['multi', what, ...line], { broker: 'memory://' }),
    ])
    expect(own.out).toBe(theirs.stdout)
  })

  it('an index that is not there and a command that is none are refused', async () => {
    expect((await ct(['multi', 'show', 'a', 'b', '-c:3', '1', ...files])).err).toContain('There is no node 3')
    expect((await ct(['multi', 'begin', '3'])).code).toBe(2)
    expect((await ct(['multi', 'start'])).code).toBe(2)
  })
})
