/**
 * What strangers send to the gossip port of a real agent: it is counted by its reason, nothing of it is kept, and the
 * agent goes on (verification 24.2, gossip.md 16 G16).
 */

import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { describe, it } from 'node:test'
import { GossipKey } from '../../core/swim/gossip-key.ts'
import { Keyring } from '../../core/swim/keyring.ts'
import { encodeCompound, encodeMessage } from '../../core/swim/packet-codec.ts'
import { MemberCipher, SENDER_SIZE } from '../../runtime/gossip/member-cipher.ts'
import { Seal } from '../../runtime/gossip/seal.ts'
import { startAgent, type TestAgent } from './harness/agent.ts'
import { eventually } from './harness/program.ts'

const KEY = Buffer.alloc(32, 7)
const OTHER_KEY = Buffer.alloc(32, 8)
const BODY_BYTES = 1200
/** The socket of the agent holds so many while it is busy. */
const BATCH = 200
const ROUNDS = 60
/** Half of what was sent would be far more. */
const GROWTH_MAX_BYTES = 32 * 1024 * 1024
/** More than an agent serves at a time. */
const STREAMS = 160

/** Of one run of a member. */
function sealWith(key: Buffer): Seal {
  const made = GossipKey.fromBytes(key)
  assert.ok(made instanceof GossipKey)
  const cipher = new MemberCipher(new Keyring([made]), randomBytes(SENDER_SIZE))
  return new Seal('dc1', { cipher, verifyIncoming: true, verifyOutgoing: true })
}

async function stats(agent: TestAgent): Promise<ReadonlyMap<string, number>> {
  const { Stats } = await agent.json<{
    Stats: { serf_lan: Readonly<Record<string, string>> }
  }>('/v1/agent/self')
  return new Map(Object.entries(Stats.serf_lan).map(([name, text]) => [name, Number(text)]))
}

async function residentBytes(pid: number): Promise<number> {
  const kilobytes = /VmRSS:\s+(\d+) kB/.exec(await readFile(`/proc/${pid}/status`, 'utf8'))?.[1]
  return Number(kilobytes) * 1024
}

class Stranger implements Disposable {
  readonly #udp: Socket = createSocket('udp4')
  readonly #port: number
  readonly #replayed: Buffer
  sent = 0

  constructor(port: number) {
    this.#port = port
    const ping = { kind: 'ping', seq: 1, target: 'nobody' } as const
    this.#replayed = sealWith(KEY).sealPacket(encodeCompound([encodeMessage(ping)]))
  }

  /** One of each kind in turn. */
  async sendBatch(): Promise<void> {
    const plain = new Seal('dc1')
    const dead = { kind: 'dead', name: 'nobody', incarnation: 1, from: 'nobody' } as const
    const accusation = encodeCompound([encodeMessage(dead)])
    const kinds: readonly (() => Buffer)[] = [
      () => randomBytes(BODY_BYTES),
      () => plain.sealPacket(randomBytes(BODY_BYTES)),
      () => new Seal('dc2').sealPacket(accusation),
      () => sealWith(OTHER_KEY).sealPacket(randomBytes(BODY_BYTES)),
      () => this.#replayed,
      () =>
        sealWith(KEY)
          .sealPacket(randomBytes(BODY_BYTES))
          .subarray(0, BODY_BYTES / 2),
    ]
    for (let i = 0; i < BATCH; i++) {
      const packet = kinds[i % kinds.length]?.() ?? Buffer.alloc(0)
      const { promise, resolve } = Promise.withResolvers<void>()
      this.#udp.send(packet, this.#port, '127.0.0.1', () => resolve())
      await promise
      this.sent++
    }
  }

  [Symbol.dispose](): void {
    this.#udp.close()
  }
}

describe('packets and streams of strangers', () => {
  it('are counted and leave nothing behind', async () => {
    await using agent = await startAgent({ flags: ['-encrypt', KEY.toString('base64')] })
    const self = await agent.json<{ Member: { Port: number } }>('/v1/agent/self')
    const { Port: port } = self.Member
    using stranger = new Stranger(port)
    const sendRound = async (): Promise<void> => {
      await stranger.sendBatch()
      await eventually('the agent has looked at them', async () => {
        return ((await stats(agent)).get('packets_received') ?? 0) >= stranger.sent
      })
    }
    // What a process takes once, for its code, is not growth.
    for (let round = 0; round < 10; round++) await sendRound()
    const before = await residentBytes(agent.pid)
    for (let round = 0; round < ROUNDS; round++) await sendRound()
    const grown = (await residentBytes(agent.pid)) - before
    assert.ok(grown < GROWTH_MAX_BYTES, `it has grown by ${grown} bytes`)
    const found = await stats(agent)
    const refused = [...found].filter(([name]) => name.startsWith('refused_'))
    const total = refused.reduce((sum, [, count]) => sum + count, 0)
    // The packet that was replayed was good the first time.
    assert.equal(total, stranger.sent - 1, JSON.stringify(refused))
    for (const reason of ['version', 'plain', 'label', 'key', 'replay']) {
      assert.ok((found.get(`refused_${reason}`) ?? 0) > 1000, `${reason} was counted`)
    }
    assert.equal(found.get('packets_malformed'), 0)
    assert.equal(found.get('refutations'), 0)
    const members = await agent.json<readonly { Name: string }[]>('/v1/agent/members')
    assert.equal(members.length, 1)
    await eventually('they are among the metrics', async () => {
      const { Counters } = await agent.json<{
        Counters: readonly { Name: string; Labels: Readonly<Record<string, string>> }[]
      }>('/v1/agent/metrics')
      return Counters.some(
        ({ Name, Labels }) => Name.endsWith('gossip.refused') && Labels['reason'] === 'replay',
      )
    })
  })

  it('do not keep members out: more streams than it serves are cut, and it goes on', async () => {
    await using agent = await startAgent()
    const self = await agent.json<{ Member: { Port: number } }>('/v1/agent/self')
    const sockets = Array.from({ length: STREAMS }, () => {
      const socket = connect(self.Member.Port, '127.0.0.1')
      socket.on('error', () => {}) // cut: that is what is tested
      return socket
    })
    try {
      await Promise.all(
        sockets.map(async (socket) => {
          await once(socket, 'connect')
          socket.write(Buffer.from([1, 0, 3, 0x64, 0x63, 0x31, 0]))
        }),
      )
      await eventually('those beyond the bound are cut', async () => {
        return ((await stats(agent)).get('streams_refused') ?? 0) >= STREAMS - 128
      })
      for (const socket of sockets) socket.destroy()
      await using other = await startAgent({
        flags: ['-node=other', `-retry-join=127.0.0.1:${self.Member.Port}`],
      })
      await eventually('another has joined', async () => {
        const members = await other.json<readonly { Status: number }[]>('/v1/agent/members')
        return members.filter(({ Status }) => Status === 1).length === 2
      })
    } finally {
      for (const socket of sockets) socket.destroy()
    }
  })
})
