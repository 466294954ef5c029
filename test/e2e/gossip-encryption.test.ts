/**
 * Encrypted clusters of real agents: they form, keys are rotated while clients write, strangers stay out.
 */

import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { createCluster, type TestNode } from './harness/cluster.ts'
import { eventually, runCommand } from './harness/program.ts'

async function keygen(): Promise<string> {
  const { code, stdout } = await runCommand(['keygen'])
  assert.equal(code, 0)
  assert.match(stdout, /^[A-Za-z0-9+/]{43}=\n$/)
  return stdout.trim()
}

async function keyring(node: TestNode, ...argv: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await node.command('keyring', ...argv)
  assert.equal(code, 0, stderr)
  return stdout
}

function aliveIn(members: readonly { readonly Name: string; readonly Status: number }[]): string {
  return members
    .filter(({ Status }) => Status === 1)
    .map(({ Name }) => Name)
    .sort()
    .join()
}

/** Writes key after key until it is stopped. */
class Writer implements AsyncDisposable {
  readonly #node: TestNode
  readonly #running: Promise<void>
  #isStopped = false
  #failure: unknown
  written = 0

  constructor(node: TestNode) {
    this.#node = node
    this.#running = this.#run()
  }

  /** @throws what a write failed with */
  async stop(): Promise<void> {
    await this[Symbol.asyncDispose]()
    assert.equal(this.#failure, undefined)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isStopped = true
    await this.#running
  }

  async #run(): Promise<void> {
    try {
      while (!this.#isStopped) {
        const answer = await this.#node.put(`/v1/kv/load/${this.written}`, 'x')
        assert.equal(await answer.text(), 'true')
        this.written++
      }
    } catch (err) {
      this.#failure = err
    }
  }
}

describe('an encrypted cluster', () => {
  it('forms, and its key is rotated while clients write', async () => {
    const [first, second] = [await keygen(), await keygen()]
    const flags = [`-encrypt=${first}`]
    await using cluster = await createCluster(['n1', 'n2', 'n3'], { flags })
    const client = await cluster.addClient('c1', flags)
    await cluster.startAll()
    await cluster.leader()
    const all = [...cluster.nodes.values()]
    await eventually('all see all', async () => {
      const seen = await Promise.all(
        all.map(async (node) => aliveIn(await node.json('/v1/agent/members'))),
      )
      return seen.every((names) => names === 'c1,n1,n2,n3')
    })
    const writer = new Writer(client)
    await using _writing = writer
    const wait = async (): Promise<void> => {
      const before = writer.written
      await eventually('writes go on', () => writer.written > before + 20)
    }
    const title = '==> Gathering installed encryption keys...\n'
    await wait()
    assert.equal(await keyring(client, '-list'), `${title}dc1 (LAN):\n  ${first} [4/4]\n`)
    await keyring(cluster.node('n1'), `-install=${second}`)
    await wait()
    await keyring(cluster.node('n2'), `-use=${second}`)
    await wait()
    assert.equal(await keyring(client, '-list-primary'), `${title}dc1 (LAN):\n  ${second} [4/4]\n`)
    const refused = await client.command('keyring', `-remove=${second}`)
    assert.equal(refused.code, 1)
    assert.match(refused.stderr, /4\/4 nodes reported failure.*nothing was changed/)
    await keyring(client, `-remove=${first}`)
    await wait()
    await writer.stop()
    for (const node of all) {
      const path = join(cluster.folder, node.name, 'serf', 'local.keyring')
      assert.deepEqual(JSON.parse(await readFile(path, 'utf8')), [second])
    }
    // Restarted with the old key in its configuration: its keyring counts.
    const follower = cluster.node('n3')
    assert.equal(await follower.stop(), 0)
    await follower.start()
    await eventually('it is back', async () =>
      aliveIn(await client.json('/v1/agent/members')).includes('n3'),
    )
    assert.equal(await keyring(follower, '-list'), `${title}dc1 (LAN):\n  ${second} [4/4]\n`)
  })

  it('keeps out who has no key or another, and both sides say so', async () => {
    const key = await keygen()
    await using cluster = await createCluster(['n1'], { flags: [`-encrypt=${key}`] })
    await cluster.startAll()
    const server = await cluster.leader()
    assert.match(server.output, /"agent is ready"/)
    const tryToJoin = async (...flags: readonly string[]): Promise<string> => {
      const { code, stdout, stderr } = await runCommand([
        'agent',
        '-node=c1',
        `-data-dir=${join(cluster.folder, 'c1')}`,
        '-bind=127.0.0.1',
        ...['http', 'dns', 'server', 'serf-lan'].map((port) => `-${port}-port=0`),
        `-retry-join=127.0.0.1:${server.ports.serf}`,
        '-retry-max=2',
        '-retry-interval=200ms',
        ...flags,
      ])
      assert.equal(code, 1)
      return stdout + stderr
    }
    const open = await tryToJoin()
    assert.match(open, /its pool encrypts gossip and this agent has no key/)
    assert.match(server.output, /refused gossip that is not encrypted/)
    const stranger = await keygen()
    const other = await tryToJoin(`-encrypt=${stranger}`)
    assert.match(other, /share no gossip key/)
    assert.match(server.output, /refused gossip that no key of this agent opens/)
    for (const text of [server.output, open, other]) {
      assert.ok(!text.includes(key) && !text.includes(stranger))
    }
  })
})

describe('keyring', () => {
  it('takes one action at a time', async () => {
    for (const [argv, message] of [
      [['-list', '-use=x'], /Only a single action is allowed/],
      [[], /One of -install, -use, -remove, -list and -list-primary is needed/],
    ] as const) {
      const { code, stderr } = await runCommand(['keyring', ...argv])
      assert.equal(code, 1)
      assert.match(stderr, message)
    }
  })
})
