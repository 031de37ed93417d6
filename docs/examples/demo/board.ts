/** One line per job: drawn again in place on a terminal, printed once per change elsewhere. */
import { styleText } from 'node:util'

export interface Job {
  /** How far it is: 0…1, and in words. */
  update(fraction: number, text: string): void
  done(text: string): void
}

interface Line {
  readonly title: string
  fraction: number
  text: string
  done: boolean
}

export class Board {
  readonly #lines: Line[] = []
  readonly #live: boolean
  readonly #width: number
  #drawn = 0

  constructor(titles: readonly string[]) {
    this.#live = process.stdout.isTTY
    this.#width = Math.max(...titles.map((title) => title.length)) + 2
  }

  job(title: string): Job {
    const line: Line = { title, fraction: 0, text: 'sent', done: false }
    this.#lines.push(line)
    this.#show(line)
    let quarter = 0
    return {
      update: (fraction, text) => {
        const changed = text !== line.text
        Object.assign(line, { fraction, text })
        // On a terminal everything moves; a log wants a few lines.
        const reached = Math.floor(fraction * 4)
        if (this.#live || (fraction === 0 && changed) || reached > quarter) this.#show(line)
        quarter = reached
      },
      done: (text) => {
        Object.assign(line, { fraction: 1, text, done: true })
        this.#show(line)
      },
    }
  }

  #show(line: Line): void {
    if (!this.#live) {
      console.log(`${line.title.padEnd(this.#width)}${line.text}`)
      return
    }
    const up = this.#drawn === 0 ? '' : `\x1b[${this.#drawn}A`
    process.stdout.write(up + this.#lines.map((one) => `\x1b[2K${this.#draw(one)}\n`).join(''))
    this.#drawn = this.#lines.length
  }

  #draw({ title, fraction, text, done }: Line): string {
    const head = `${done ? styleText('green', '✓') : ' '} ${title.padEnd(this.#width)}`
    if (done && this.#lines.every((line) => line.done)) return head + text
    const cells = 20
    const full = Math.round(fraction * cells)
    const bar =
      styleText(done ? 'green' : 'cyan', '━'.repeat(full)) + styleText('dim', '━'.repeat(cells - full))
    // A line that wraps could not be drawn over.
    const room = (process.stdout.columns || 80) - this.#width - cells - 6
    return `${head}${bar}  ${text.length > room ? `${text.slice(0, room - 1)}…` : text}`
  }
}
