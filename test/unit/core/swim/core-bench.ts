/**
 * A core named `a` in the hands of a test: told things, woken when it wants, all it says kept.
 */

import assert from 'node:assert/strict'
import type { IpNetwork } from '../../../../core/ip-network.ts'
import { seededRng } from '../../../../core/rng.ts'
import type { AliveMessage, PacketMessage } from '../../../../core/swim/messages.ts'
import {
  decodeCompound,
  encodeCompound,
  encodeMessage,
} from '../../../../core/swim/packet-codec.ts'
import { SwimCore } from '../../../../core/swim/swim-core.ts'
import { encodeTags } from '../../../../core/swim/tags.ts'
import { LAN_TIMING } from '../../../../core/swim/timing.ts'
import {
  type NodeAddress,
  PROTOCOL_VERSIONS,
  type SwimEffect,
  type SwimInput,
} from '../../../../core/swim/types.ts'
import { instant } from '../../../../core/time.ts'

const meta = encodeTags({ role: 'node' })

export function addressOf(name: string): NodeAddress {
  return { address: `10.0.0.${name.charCodeAt(0) - 96}`, port: 8301 }
}

export function alive(name: string, change: Partial<AliveMessage> = {}): AliveMessage {
  const facts = { name, id: `id-${name}`, ...addressOf(name), meta, versions: PROTOCOL_VERSIONS }
  return { kind: 'alive', incarnation: 1, ...facts, ...change }
}

export class Bench {
  readonly core: SwimCore
  now = 0
  sent: { readonly to: NodeAddress; readonly message: PacketMessage }[] = []
  effects: SwimEffect[] = []

  constructor({
    hasCoordinate = true,
    allowedNetworks = null,
  }: {
    readonly hasCoordinate?: boolean
    readonly allowedNetworks?: readonly IpNetwork[] | null
  } = {}) {
    const { address, port } = addressOf('a')
    this.core = new SwimCore(
      {
        name: 'a',
        id: 'id-a',
        address,
        port,
        meta,
        timing: LAN_TIMING,
        packetBytesMax: 1390,
        incarnation: 1,
        lamportTime: 0,
        hasCoordinate,
        eventTime: 0,
        queryTime: 0,
        catchesUp: false,
        allowedNetworks,
      },
      seededRng(1),
      instant(0),
    )
    this.input({ kind: 'wake' })
  }

  input(input: SwimInput): readonly SwimEffect[] {
    const effects = this.core.handle(instant(this.now), input)
    for (const effect of effects) {
      this.effects.push(effect)
      if (effect.kind !== 'packet') continue
      const { messages } = decodeCompound(effect.bytes)
      for (const message of messages) this.sent.push({ to: effect.to, message })
    }
    return effects
  }

  hear(from: string, ...messages: PacketMessage[]): void {
    const bytes = encodeCompound(messages.map(encodeMessage))
    this.input({ kind: 'packet', from: addressOf(from), bytes })
  }

  /** Lets time pass until `until`, waking as asked. */
  pass(until: number): void {
    for (;;) {
      const at = this.core.wakeAt
      if (at === null || at > until) break
      this.now = Math.max(this.now, at)
      this.input({ kind: 'wake' })
    }
    this.now = until
  }

  /** The first probe begins at a random time. */
  passToPing(): PacketMessage & { kind: 'ping' } {
    for (;;) {
      const [ping] = this.sentOf('ping')
      if (ping !== undefined) return ping
      this.pass(this.core.wakeAt ?? assert.fail('nothing is due'))
    }
  }

  sentOf<K extends PacketMessage['kind']>(kind: K): (PacketMessage & { kind: K })[] {
    return this.sent.flatMap(({ message }) =>
      message.kind === kind ? [message as PacketMessage & { kind: K }] : [],
    )
  }

  notices(): string[] {
    return this.effects.flatMap((effect) => (effect.kind === 'notice' ? [effect.notice.kind] : []))
  }

  state(name: string): string | undefined {
    const view = this.core.member(name)
    return view && `${view.state} ${view.status} ${view.incarnation}`
  }
}
