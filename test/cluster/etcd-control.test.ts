/**
 * Control (verification 15.6 V4): the same clients and the same judge against three etcd members, which others
 * wrote. Linearizable reads must pass; serializable reads while the network is cut must be found out, or the
 * harness is blind. Runs with FAIRLEAD_CLUSTER_CONTROL=1, needs Debian's etcd-server.
 */

import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { eventually } from '../e2e/harness/program.ts'
import { SEED } from './harness/campaign.ts'
import { HistoryRecorder } from './harness/history.ts'
import { commandEnvironment, has, whyNoHosts } from './harness/host-commands.ts'
import { judge } from './harness/judge.ts'
import { type Consistency, etcdRegisters } from './harness/register-api.ts'
import { RegisterClients } from './harness/register-clients.ts'
import { type TestHost, TestNetwork } from './harness/test-network.ts'

const EVENTS_PER_CUT = 1_500
const CUT_MAX_MS = 10_000

class Members implements AsyncDisposable {
  readonly urls: readonly string[]
  readonly #children: ChildProcess[] = []

  constructor(hosts: readonly TestHost[], folder: string) {
    this.urls = hosts.map(({ address }) => `http://${address}:2379`)
    const cluster = hosts.map(({ name, address }) => `${name}=http://${address}:2380`).join()
    for (const { name, address, prefix } of hosts) {
      const args = ['--name', name, '--data-dir', join(folder, name)]
      args.push('--listen-peer-urls', `http://${address}:2380`)
      args.push('--initial-advertise-peer-urls', `http://${address}:2380`)
      args.push('--listen-client-urls', `http://${address}:2379`)
      args.push('--advertise-client-urls', `http://${address}:2379`)
      args.push('--initial-cluster', cluster)
      const [program, ...rest] = prefix
      const options = { env: commandEnvironment(), stdio: 'ignore' } as const
      this.#children.push(spawn(program, [...rest, 'etcd', ...args], options))
    }
  }

  async ready(): Promise<void> {
    for (const url of this.urls) {
      await eventually(`${url} is healthy`, async () => (await fetch(`${url}/health`)).ok, 30_000)
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const child of this.#children) {
      const gone = once(child, 'exit')
      if (child.exitCode !== null || !child.kill('SIGKILL')) continue
      await gone
    }
  }
}

/** Every member is cut off once. @returns what the clients saw */
async function observe(consistency: Consistency): Promise<HistoryRecorder> {
  const folder = await mkdtemp(join(tmpdir(), 'fairlead-etcd-'))
  try {
    await using network = await TestNetwork.create(3)
    await using members = new Members(network.hosts, folder)
    await members.ready()
    const history = new HistoryRecorder()
    const { urls } = members
    const readShare = consistency === 'stale' ? 0.9 : 0.5
    const load = { clients: 8, keys: 5, rate: 400, seed: SEED, consistency, readShare }
    const clients = new RegisterClients({ urls, ...load, api: etcdRegisters }, history)
    clients.start()
    for (const host of network.hosts) {
      const until = history.events.length + EVENTS_PER_CUT
      await network.isolate(host, 'both')
      const met = (): boolean => history.events.length >= until
      await eventually('clients meet the cut', met, CUT_MAX_MS).catch(() => undefined)
      await network.heal()
      const ok = history.count('ok') + 300
      await eventually('requests are answered', () => history.count('ok') >= ok, 60_000)
    }
    await clients.stop()
    await clients.finalReads()
    return history
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

const reason =
  process.env['FAIRLEAD_CLUSTER_CONTROL'] !== '1'
    ? 'runs with FAIRLEAD_CLUSTER_CONTROL=1'
    : (whyNoHosts() ?? (has('etcd') ? undefined : 'etcd is not installed (Debian: etcd-server)'))

describe('three members of etcd', { skip: reason ?? false, timeout: 600_000 }, () => {
  it('are linearizable where they say so', async (t) => {
    const history = await observe('consistent')
    t.diagnostic(`seed ${SEED}; ${judge(history.events)}`)
  })

  it('are seen to be not linearizable where they do not', async (t) => {
    const history = await observe('stale')
    assert.throws(() => judge(history.events), /cannot be explained/)
    t.diagnostic(`seed ${SEED}; ${history.count('ok')} answers, serializable reads found out`)
  })
})
