/**
 * How long it takes until agents know that others have failed, beside what Lifeguard promises (gossip.md 13.2).
 */

import { eventually } from '../../e2e/harness/program.ts'
import type { HostProcess } from './host-process.ts'

const FAILED = 4
/** Those of `gossip_lan` that the agents run with. */
const PROBE_INTERVAL_S = 1
const SUSPICION_MULT = 4
/** Rounds of the epidemic until 99.99 % know, for pools of up to 30 (gossip.md 7.3). */
const SPREAD_S = 1.8
/** A bound twice the promise is what a checker may hold against a pool (gossip.md 16, G4). */
const BOUND = 2
/** Starved processors are not what is measured. */
const PATIENCE_MS = 90_000

export interface Detection {
  /** From the failure until the first and the last observer knew of all of them. */
  readonly firstS: number
  readonly lastS: number
  readonly promisedS: number
}

/** Expected: first probe, its interval, the shortest suspicion, the spread. */
export function promisedDetectionS(members: number): number {
  const suspicion = SUSPICION_MULT * Math.max(1, Math.log10(members)) * PROBE_INTERVAL_S
  return 1.58 * PROBE_INTERVAL_S + PROBE_INTERVAL_S + suspicion + SPREAD_S
}

/** @param since by `performance.now`; @param members of the pool before */
export async function detection(
  observers: readonly HostProcess[],
  victims: readonly HostProcess[],
  { since, members }: { readonly since: number; readonly members: number },
): Promise<Detection> {
  const times = await Promise.all(
    observers.map(async (observer) => {
      await eventually(
        `${observer.host.name} sees ${victims.map(({ host }) => host.name).join()} as failed`,
        async () => await seesFailed(observer, victims),
        PATIENCE_MS,
      )
      return (performance.now() - since) / 1000
    }),
  )
  return {
    firstS: Math.min(...times),
    lastS: Math.max(...times),
    promisedS: promisedDetectionS(members),
  }
}

export function isWithinBound({ lastS, promisedS }: Detection): boolean {
  return lastS <= BOUND * promisedS
}

export function detectionText({ firstS, lastS, promisedS }: Detection): string {
  const [first, last, promised] = [firstS, lastS, promisedS].map((s) => s.toFixed(1))
  return `known to the first after ${first} s, to all after ${last} s; promised ${promised} s`
}

async function seesFailed(
  observer: HostProcess,
  victims: readonly HostProcess[],
): Promise<boolean> {
  const members =
    (await observer.ask<readonly { Name: string; Status: number }[]>('/v1/agent/members')) ?? []
  const failed = new Set(members.filter(({ Status }) => Status === FAILED).map(({ Name }) => Name))
  return victims.every(({ host }) => failed.has(host.name))
}
