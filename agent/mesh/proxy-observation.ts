/**
 * What the agent asks of its running proxy: its figures, and live requests (core/mesh/proxy-control.ts).
 *
 * Guarantees: a question ends when it is answered, when the proxy is gone, or after ANSWER_MS; a tap goes on over
 * proxies that come and go until its owner ends it.
 */

import { FairleadError } from '../../core/errors.ts'
import type { TapFilter } from '../../core/exchange/tap.ts'
import type { AgentToProxy, ProxyToAgent } from '../../core/mesh/proxy-control.ts'
import { type Clock, instant } from '../../core/time.ts'
import type { TapListener } from './types.ts'

const ANSWER_MS = 10_000

type Answer = Extract<ProxyToAgent, { kind: 'metrics' | 'tapped' | 'tap-refused' }>
type Send = (message: AgentToProxy) => void

interface OpenTap {
  readonly filter: TapFilter
  readonly listener: TapListener
}

export class ProxyObservation {
  readonly #clock: Clock
  readonly #questions = new Map<number, (text: string | FairleadError) => void>()
  readonly #taps = new Map<number, OpenTap>()
  #send: Send | undefined
  #lastId = 0

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** A proxy is there. */
  connected(send: Send): void {
    this.#send = send
    for (const [id, { filter }] of this.#taps) send({ kind: 'tap', id, filter })
  }

  disconnected(): void {
    this.#send = undefined
    const gone = new FairleadError('SHUTTING_DOWN', 'The proxy of this host has ended; try again')
    for (const answer of [...this.#questions.values()]) answer(gone)
  }

  /** @returns Prometheus text. @throws FairleadError when no proxy runs or it does not answer */
  async metrics(): Promise<string> {
    const send = this.#send
    if (send === undefined) throw noProxy()
    const id = ++this.#lastId
    return await new Promise<string>((resolve, reject) => {
      const late = this.#clock.timer(instant(this.#clock.now() + ANSWER_MS), () =>
        answer(new FairleadError('INTERNAL', 'The proxy of this host does not answer')),
      )
      const answer = (text: string | FairleadError): void => {
        late.cancel()
        this.#questions.delete(id)
        if (typeof text === 'string') resolve(text)
        else reject(text)
      }
      this.#questions.set(id, answer)
      send({ kind: 'metrics', id })
    })
  }

  /** @returns ends it. @throws FairleadError when no proxy runs */
  tap(filter: TapFilter, listener: TapListener): () => void {
    if (this.#send === undefined) throw noProxy()
    const id = ++this.#lastId
    this.#taps.set(id, { filter, listener })
    this.#send({ kind: 'tap', id, filter })
    return () => {
      if (this.#taps.delete(id)) this.#send?.({ kind: 'untap', id })
    }
  }

  onAnswer(message: Answer): void {
    switch (message.kind) {
      case 'metrics':
        this.#questions.get(message.id)?.(message.text)
        break
      case 'tapped':
        this.#taps.get(message.id)?.listener.onEvent(message.event, message.skipped)
        break
      case 'tap-refused': {
        const tap = this.#taps.get(message.id)
        this.#taps.delete(message.id)
        tap?.listener.onRefused(message.reason)
        break
      }
    }
  }
}

function noProxy(): FairleadError {
  return new FairleadError(
    'NOT_FOUND',
    'No proxy runs on this host: register a service with Connect.SidecarService first',
  )
}
