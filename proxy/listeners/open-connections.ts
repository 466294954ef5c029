/**
 * The connections that a listener has accepted, of whatever protocol, so that they can be drained and cut.
 */

export interface OpenConnection {
  /**
   * No further exchange; ends when the present one has.
   *
   * @param isPatient one that waits for its caller may wait on and serve one exchange more, which tells the caller that
   *   it was the last: closing it now could meet a request that is on its way
   */
  drain(isPatient: boolean): void
  /** Ends now, with what runs on it. */
  destroy(): void
}

export class OpenConnections {
  readonly #open = new Set<OpenConnection>()
  #draining: 'no' | 'patiently' | 'at once' = 'no'
  #whenEmpty: (() => void) | undefined

  get size(): number {
    return this.#open.size
  }

  add(connection: OpenConnection): void {
    this.#open.add(connection)
    if (this.#draining !== 'no') connection.drain(this.#draining === 'patiently')
  }

  remove(connection: OpenConnection): void {
    this.#open.delete(connection)
    if (this.#open.size === 0) this.#whenEmpty?.()
  }

  /** @returns a promise of all being closed */
  async drain(isPatient = false): Promise<void> {
    this.#draining = isPatient ? 'patiently' : 'at once'
    for (const connection of [...this.#open]) connection.drain(isPatient)
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
