/**
 * How the demo speaks: numbered steps, what was asked, what came back, and whether it is as it should be.
 */

import { styleText } from 'node:util'

export class Narrator {
  #step = 0
  readonly #colour = process.stdout.isTTY === true && process.env['NO_COLOR'] === undefined

  title(text: string): void {
    this.#print(`\n${this.#style('bold', text)}\n`)
  }

  step(text: string): void {
    this.#step++
    this.#print(`\n${this.#style('bold', `${this.#step}. ${text}`)}\n`)
  }

  /** What was asked, as the reader could ask it. */
  asked(text: string): void {
    this.#print(`   ${this.#style('cyan', '→')} ${text}\n`)
  }

  /** What came back, line by line. */
  answered(text: string): void {
    for (const line of text.trimEnd().split('\n')) {
      this.#print(`   ${this.#style('dim', '│')} ${line}\n`)
    }
  }

  /** @throws Error when `condition` does not hold */
  check(condition: boolean, claim: string): void {
    if (!condition) throw new Error(`expected: ${claim}`)
    this.#print(`   ${this.#style('green', '✔')} ${claim}\n`)
  }

  failed(text: string): void {
    this.#print(`   ${this.#style('red', '✖')} ${text}\n`)
  }

  plain(text: string): void {
    this.#print(`${text}\n`)
  }

  #style(format: 'bold' | 'dim' | 'cyan' | 'green' | 'red', text: string): string {
    return this.#colour ? styleText(format, text) : text
  }

  #print(text: string): void {
    process.stdout.write(text)
  }
}
