/**
 * The connections that a listener has accepted, of whatever protocol, so that they can be drained and cut.
 */

export interface OpenConnection {
  /** No further exchange; ends when the present one has. */
  drain(): void
  /** Ends now, with what runs on it. */
  destroy(): void
}

export class OpenConnections {
  readonly #open = new Set<OpenConnection>()
  #isDraining = false
  #whenEmpty: (() => void) | undefined

  get size(): number {
    return this.#open.size
  }

  add(connection: OpenConnection): void {
    this.#open.add(connection)
    if (this.#isDraining) connection.drain()
  }

  remove(connection: OpenConnection): void {
    this.#open.delete(connection)
    if (this.#open.size === 0) this.#whenEmpty?.()
  }

  /** @returns a promise of all being closed */
  async drain(): Promise<void> {
    this.#isDraining = true
    for (const connection of [...this.#open]) connection.drain()
    if (this.#open.size === 0) return
    await new Promise<void>((resolve) => {
      const before = this.#whenEmpty
      this.#whenEmpty = () => {
        before?.()
        resolve()
      }
    })
  }

  destroy(): void {
    for (const connection of [...this.#open]) connection.destroy()
  }

  [Symbol.iterator](): Iterator<OpenConnection> {
    return [...this.#open][Symbol.iterator]()
  }
}
