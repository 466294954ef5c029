/**
 * Gossip pools on loopback with real sockets, numbers that make them quick, and waiting for what they should see.
 */

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { createGossipPool } from '../../../../agent/members/gossip-pool.ts'
import type { GossipEncryption } from '../../../../agent/members/pool-keys.ts'
import type { GossipPoolOptions } from '../../../../agent/members/pool-options.ts'
import type { EventBus } from '../../../../core/events/event-bus.ts'
import type { QueryBus } from '../../../../core/events/query-bus.ts'
import type { Service } from '../../../../core/lifecycle.ts'
import { type Logger, silentLogger } from '../../../../core/log.ts'
import type { Member, MemberPool } from '../../../../core/membership.ts'
import { type Metrics, unrecordedMetrics } from '../../../../core/metrics/metrics.ts'
import { type GossipTiming, LOCAL_TIMING } from '../../../../core/swim/timing.ts'
import { systemClock } from '../../../../runtime/clock/system-clock.ts'
import { systemRng } from '../../../../runtime/random/system-random.ts'

export type Pool = MemberPool & EventBus & QueryBus & Service

export const QUICK: GossipTiming = {
  ...LOCAL_TIMING,
  probeIntervalMs: 100,
  probeTimeoutMs: 50,
  gossipIntervalMs: 20,
  pushPullIntervalMs: 500,
  reconnectIntervalMs: 300,
  leavePropagateMs: 100,
  tcpTimeoutMs: 2000,
}

export const NO_ENCRYPTION: GossipEncryption = {
  key: undefined,
  keyringPath: undefined,
  verifyIncoming: true,
  verifyOutgoing: true,
}

export const NEVER = new AbortController().signal

/** Stopped when the test ends. */
export async function startPool(
  t: TestContext,
  nodeName: string,
  options: Partial<GossipPoolOptions> = {},
  log: Logger = silentLogger,
  metrics: Metrics = unrecordedMetrics,
): Promise<Pool> {
  const pool = createGossipPool(
    {
      nodeName,
      nodeId: `id-of-${nodeName}`,
      label: 'dc1',
      bindAddress: '127.0.0.1',
      advertiseAddress: '127.0.0.1',
      port: 0,
      tags: { role: 'node' },
      snapshotPath: undefined,
      rejoinAfterLeave: false,
      timing: QUICK,
      encryption: NO_ENCRYPTION,
      hasCoordinate: true,
      allowedNetworks: null,
      ...options,
    },
    { clock: systemClock, rng: systemRng(), log, metrics },
  )
  t.after(() => pool.stop())
  await pool.start(NEVER)
  return pool
}

export function addressOf(pool: Pool): string {
  const { address, port } = pool.self()
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`
}

export async function until(
  pool: Pool,
  condition: (members: readonly Member[]) => boolean,
): Promise<void> {
  if (condition(pool.members())) return
  const { promise, resolve } = Promise.withResolvers<void>()
  const stop = pool.onChange((members) => {
    if (condition(members)) resolve()
  })
  try {
    await promise
  } finally {
    stop()
  }
}

export function sees(name: string, status: Member['status']) {
  return (members: readonly Member[]): boolean =>
    members.some((member) => member.name === name && member.status === status)
}

export function seesAlive(...names: string[]) {
  return (members: readonly Member[]): boolean => {
    const alive = members.filter(({ status }) => status === 'alive').map(({ name }) => name)
    return alive.sort().join() === names.sort().join()
  }
}

export async function temporaryFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'fairlead-gossip-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  return folder
}
