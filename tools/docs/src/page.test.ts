import { describe, expect, it } from 'vitest'
import { pageOf } from './page.ts'

const fenced = (info: string, text: string): string => `\`\`\`${info}\n${text}\n\`\`\`\n`

describe('a page', () => {
  it('gives its files and commands in order, with their lines', () => {
    const page = pageOf(
      'x.md',
      `# X\n\n${fenced('ts a.ts run', 'console.log(1) // → 1')}${fenced('console run', '$ ct report\na\nb')}`,
    )
    expect(page.steps).toEqual([
      { kind: 'file', line: 4, name: 'a.ts', text: 'console.log(1) // → 1\n', run: true },
      { kind: 'console', line: 7, serve: false, commands: [{ command: 'ct report', output: ['a', 'b'] }] },
    ])
  })

  it('refuses TypeScript that nothing would check', () => {
    expect(() => pageOf('x.md', fenced('ts', 'let x = 1'))).toThrow('x.md:2: a ts block needs a file name')
    expect(() => pageOf('x.md', fenced('ts a.ts rum', ''))).toThrow('cannot make out "ts a.ts rum"')
    expect(() => pageOf('x.md', fenced('console rum', ''))).toThrow('"run", "serve" or nothing')
  })

  it('leaves other blocks to the reader', () => {
    expect(
      pageOf('x.md', fenced('console', '$ npm i') + fenced('sh', 'npm i') + fenced('', 'x')).steps,
    ).toEqual([])
  })

  it.each([
    ['nothing', fenced('ts a.ts', "'redis://localhost'")],
    ['nothing', fenced('ts a.ts run', 'memory')],
    ['redis', fenced('ts a.ts run', "'redis://localhost'")],
    ['rabbitmq', fenced('ts a.ts run', "'amqp://localhost', 'redis://localhost'")],
    ['python', fenced('console run', '$ python a.py')],
    ['python', fenced('console serve', '$ celery -A a worker\nready')],
  ])('needs %s for %j', (need, markdown) => {
    expect(pageOf('x.md', markdown).need).toBe(need)
  })
})
