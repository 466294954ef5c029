/**
 * Three etcd members (Debian: etcd-server), as its documentation starts them, with default settings.
 */

import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { freePorts, Members, type MortalCluster, until } from './members.ts'

export async function startEtcd(folder: string, size = 3): Promise<MortalCluster> {
  const members = new Members()
  const ports = await freePorts(2 * size)
  const names = Array.from({ length: size }, (_, i) => `etcd${i + 1}`)
  const client = names.map((_, i) => `http://127.0.0.1:${ports[2 * i]}`)
  const peer = names.map((_, i) => `http://127.0.0.1:${ports[2 * i + 1]}`)
  const initial = names.map((name, i) => `${name}=${peer[i]}`).join(',')
  const alive = new Set(client)
  await mkdir(folder, { recursive: true })
  const start = (i: number): void => {
    const name = names[i] ?? ''
    const argv: [string, ...string[]] = ['etcd', '--name', name, '--data-dir', join(folder, name)]
    argv.push('--listen-client-urls', client[i] ?? '', '--advertise-client-urls', client[i] ?? '')
    argv.push('--listen-peer-urls', peer[i] ?? '', '--initial-advertise-peer-urls', peer[i] ?? '')
    argv.push('--initial-cluster', initial, '--initial-cluster-state', 'new', '--logger', 'zap')
    members.start(name, { argv, logFile: join(folder, `${name}.log`) })
    alive.add(client[i] ?? '')
  }
  for (let i = 0; i < size; i++) start(i)
  const cluster: MortalCluster = {
    name: 'etcd',
    urls: client,
    leader: () => until('a leader of etcd', () => leaderOf([...alive])),
    cpuMs: () => members.cpuMs(),
    rssBytes: () => members.rssBytes(),
    kill: async (url) => {
      alive.delete(url)
      await members.end(names[client.indexOf(url)] ?? '', 'SIGKILL')
    },
    restart: async (url) => start(client.indexOf(url)),
    [Symbol.asyncDispose]: () => members.endAll(),
  }
  await cluster.leader()
  return cluster
}

async function leaderOf(urls: readonly string[]): Promise<string | undefined> {
  for (const url of urls) {
    try {
      const response = await fetch(`${url}/v3/maintenance/status`, {
        method: 'POST',
        body: '{}',
        signal: AbortSignal.timeout(1_000),
      })
      const status = (await response.json()) as { leader?: string; header: { member_id: string } }
      if (status.leader === status.header.member_id) return url
    } catch {
      // Not listening yet.
    }
  }
  return undefined
}
