import { readdirSync } from 'node:fs'
import { stripVTControlCharacters } from 'node:util'

const colour = (code: number) => (text: string) =>
  process.stdout.hasColors?.() ? `\u001b[${code}m${text}\u001b[0m` : text
export const bold = colour(1)
export const dim = colour(2)
export const red = colour(31)
export const green = colour(32)
export const yellow = colour(33)

/** `75 s` → `1:15`. */
export function clock(ms: number): string {
  const seconds = Math.round(ms / 1000)
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`
}

/** How often a log without a terminal hears that something is still running. */
const plainEveryMs = 30_000

/**
 * What `npm test` shows: a line for each target that has ended, and on a terminal a last line, kept up to date, that says what is
 * running. Without a terminal, that line appears on its own when nothing has been printed for a while.
 */
export class Display {
  readonly #progress: string
  readonly #started = performance.now()
  readonly #live = process.stdout.isTTY
  readonly #timer: NodeJS.Timeout
  #total = 0
  #done = 0
  #lastPrinted = performance.now()

  /** @param progress the folder that `announce` writes to */
  constructor(progress: string) {
    this.#progress = progress
    this.#timer = setInterval(() => this.#tick(), this.#live ? 250 : 1000)
  }

  get elapsedMs(): number {
    return performance.now() - this.#started
  }

  expect(more: number): void {
    this.#total += more
  }

  ended(task: string, ok: boolean, note: string): void {
    this.#done += 1
    const mark = ok ? green('✓') : red('✗')
    this.print(`${this.#counter()} ${mark} ${task}${note === '' ? '' : dim(` ${note}`)}`)
  }

  print(text: string): void {
    this.#erase()
    process.stdout.write(`${text}\n`)
    this.#lastPrinted = performance.now()
    if (this.#live) this.#drawStatus()
  }

  close(): void {
    clearInterval(this.#timer)
    this.#erase()
  }

  #tick(): void {
    if (this.#live) {
      this.#erase()
      this.#drawStatus()
    } else if (performance.now() - this.#lastPrinted > plainEveryMs) this.print(this.#status())
  }

  #counter(): string {
    const width = String(this.#total).length
    return dim(`${clock(this.elapsedMs)} [${String(this.#done).padStart(width)}/${this.#total}]`)
  }

  #status(): string {
    const running = this.#running()
    return `${this.#counter()} ${running.length > 0 ? `running ${running.join(', ')}` : '…'}`
  }

  #drawStatus(): void {
    const text = this.#status()
    const room = (process.stdout.columns || 80) - 1
    process.stdout.write(
      stripVTControlCharacters(text).length > room ? stripVTControlCharacters(text).slice(0, room) : text,
    )
  }

  #erase(): void {
    if (this.#live) process.stdout.write('\r\u001b[2K')
  }

  #running(): string[] {
    try {
      return readdirSync(this.#progress)
        .filter((file) => file.endsWith('.running'))
        .map((file) => file.replace(/\.running$/, '').replaceAll('%', '/'))
    } catch {
      return []
    }
  }
}
