/**
 * How the other members of a pool are asked about their keyrings: directly, and by way of others where one does not
 * answer soon and the operator allows it (relay factor; gossip.md 10, 11.5).
 *
 * Guarantees: a request is handed on to a live member only, and once; what is handed on came encrypted and goes encrypted.
 * A member may hear one request twice: each of them does the same again. Bounds: `relayFactor` helpers for each member; a
 * helper waits for half of the time that who asks waits.
 */

import type { Rng } from '../../core/rng.ts'
import {
  decodeKeyringRelay,
  encodeKeyringRelay,
  isKeyringRequest,
} from '../../core/swim/keyring-codec.ts'
import type { ExchangeOutcome, MemberView, NodeAddress } from '../../core/swim/types.ts'
import { WireError } from '../../core/swim/wire.ts'
import { type Clock, type Instant, instant } from '../../core/time.ts'
import type { AskMember } from './pool-keys.ts'

/** Who has not answered by then is asked by way of others too: a lost segment is sent again sooner. */
const RELAY_AFTER_MS = 2000
/** Of a helper that could not. */
const NOTHING = new Uint8Array(0)

export interface KeyringCallsDeps {
  readonly clock: Clock
  readonly rng: Rng
  readonly nodeName: string
  /** For one exchange. */
  readonly timeoutMs: number
  readonly members: () => readonly MemberView[]
  /** Encrypted, whatever other gossip is; never rejects. */
  readonly exchange: (
    to: NodeAddress,
    bytes: Uint8Array,
    deadline: Instant,
  ) => Promise<ExchangeOutcome>
}

export class KeyringCalls {
  readonly #deps: KeyringCallsDeps

  constructor(deps: KeyringCallsDeps) {
    this.#deps = deps
  }

  /** By name, each other live member. */
  others(relayFactor: number): ReadonlyMap<string, AskMember> {
    const live = this.#live()
    return new Map(
      live.map((target) => {
        const ask: AskMember = (bytes) =>
          this.#ask(target, bytes, this.#helpers(target, relayFactor))
        return [target.name, ask]
      }),
    )
  }

  /** Another member wants one to be asked. @returns what that one answered; nothing when it did not */
  async relay(bytes: Uint8Array, isEncrypted: boolean): Promise<Uint8Array> {
    const relayed = readRelay(bytes)
    if (relayed === null || !isEncrypted || !isKeyringRequest(relayed.request)) return NOTHING
    const target = this.#live().find(({ name }) => name === relayed.target)
    if (target === undefined) return NOTHING
    const outcome = await this.#exchange(target, relayed.request, this.#deps.timeoutMs / 2)
    return outcome.kind === 'reply' ? outcome.bytes : NOTHING
  }

  async #ask(
    target: MemberView,
    bytes: Uint8Array,
    helpers: readonly MemberView[],
  ): Promise<ExchangeOutcome> {
    const { clock, timeoutMs } = this.#deps
    const direct = this.#exchange(target, bytes, timeoutMs)
    if (helpers.length === 0) return await direct
    const late = Promise.withResolvers<null>()
    const timer = clock.timer(instant(clock.now() + RELAY_AFTER_MS), () => late.resolve(null))
    const soon = await Promise.race([direct, late.promise])
    timer.cancel()
    if (soon?.kind === 'reply') return soon
    const request = encodeKeyringRelay(target.name, bytes)
    const relayed = helpers.map(async (helper) => await this.#exchange(helper, request, timeoutMs))
    return (await firstReply([direct, ...relayed])) ?? (await direct)
  }

  async #exchange(to: NodeAddress, bytes: Uint8Array, timeoutMs: number): Promise<ExchangeOutcome> {
    const { clock, exchange } = this.#deps
    const { address, port } = to
    return await exchange({ address, port }, bytes, instant(clock.now() + timeoutMs))
  }

  #helpers(target: MemberView, count: number): readonly MemberView[] {
    if (count === 0) return []
    const others = this.#live().filter(({ name }) => name !== target.name)
    return this.#deps.rng.shuffle(others).slice(0, count)
  }

  #live(): readonly MemberView[] {
    const { members, nodeName } = this.#deps
    return members().filter(({ name, status }) => name !== nodeName && status === 'alive')
  }
}

/** @returns null when none of them is one */
async function firstReply(
  outcomes: readonly Promise<ExchangeOutcome>[],
): Promise<ExchangeOutcome | null> {
  const { promise, resolve } = Promise.withResolvers<ExchangeOutcome | null>()
  const all = outcomes.map(async (waiting) => {
    const outcome = await waiting
    if (outcome.kind === 'reply' && outcome.bytes.length > 0) resolve(outcome)
  })
  void Promise.all(all).then(() => resolve(null))
  return await promise
}

function readRelay(
  bytes: Uint8Array,
): { readonly target: string; readonly request: Uint8Array } | null {
  try {
    return decodeKeyringRelay(bytes)
  } catch (thrown) {
    if (thrown instanceof WireError) return null
    throw thrown
  }
}
