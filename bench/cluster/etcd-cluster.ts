/**
 * Three etcd members (Debian: etcd-server), as its documentation starts them, with default settings.
 */

import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { type Cluster, freePorts, Members, until } from './members.ts'

export async function startEtcd(folder: string, size = 3): Promise<Cluster> {
  const members = new Members()
  const ports = await freePorts(2 * size)
  const names = Array.from({ length: size }, (_, i) => `etcd${i + 1}`)
  const client = names.map((_, i) => `http://127.0.0.1:${ports[2 * i]}`)
  const peer = names.map((_, i) => `http://127.0.0.1:${ports[2 * i + 1]}`)
  const initial = names.map((name, i) => `${name}=${peer[i]}`).join(',')
  await mkdir(folder, { recursive: true })
  for (const [i, name] of names.entries()) {
    const args = ['--name', name, '--data-dir', join(folder, name), '--logger', 'zap']
    args.push('--listen-client-urls', client[i] ?? '', '--advertise-client-urls', client[i] ?? '')
    args.push('--listen-peer-urls', peer[i] ?? '', '--initial-advertise-peer-urls', peer[i] ?? '')
    args.push('--initial-cluster', initial, '--initial-cluster-state', 'new')
    members.start(name, ['etcd', ...args], join(folder, `${name}.log`))
  }
  const cluster: Cluster = {
    name: 'etcd',
    urls: client,
    leader: () => until('a leader of etcd', () => leaderOf(client)),
    cpuMs: () => members.cpuMs(),
    rssBytes: () => members.rssBytes(),
    [Symbol.asyncDispose]: () => members.endAll(),
  }
  await cluster.leader()
  return cluster
}

async function leaderOf(urls: readonly string[]): Promise<string | undefined> {
  for (const url of urls) {
    try {
      const response = await fetch(`${url}/v3/maintenance/status`, { method: 'POST', body: '{}' })
      const status = (await response.json()) as { leader?: string; header: { member_id: string } }
      if (status.leader === status.header.member_id) return url
    } catch {
      // Not listening yet.
    }
  }
  return undefined
}
