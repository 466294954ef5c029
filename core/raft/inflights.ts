/**
 * The window of append messages sent to one peer and not yet answered (specification 6).
 *
 * A FIFO of (last index, bytes) with a limit on both. Acks are cumulative: one frees all up to its index.
 */

interface Flight {
  readonly lastIndex: number
  readonly bytes: number
}

export class Inflights {
  readonly #messagesMax: number
  readonly #bytesMax: number
  #flights: Flight[] = []
  #bytes = 0

  constructor(limits: { readonly messagesMax: number; readonly bytesMax: number }) {
    this.#messagesMax = limits.messagesMax
    this.#bytesMax = limits.bytesMax
  }

  get count(): number {
    return this.#flights.length
  }

  get isFull(): boolean {
    return this.#flights.length >= this.#messagesMax || this.#bytes >= this.#bytesMax
  }

  add(lastIndex: number, bytes: number): void {
    this.#flights.push({ lastIndex, bytes })
    this.#bytes += bytes
  }

  freeTo(index: number): void {
    let freed = 0
    for (const flight of this.#flights) {
      if (flight.lastIndex > index) break
      this.#bytes -= flight.bytes
      freed++
    }
    if (freed > 0) this.#flights.splice(0, freed)
  }

  clear(): void {
    this.#flights = []
    this.#bytes = 0
  }
}
