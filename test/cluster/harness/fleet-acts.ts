/**
 * What is done to a fleet while its hosts go on registering: each act has a beginning and an end, and between them
 * waits until it has had its effect (verification 22.3, 24.2). All choices come from a seed.
 */

import assert from 'node:assert/strict'
import type { Rng } from '../../../core/rng.ts'
import { eventually } from '../../e2e/harness/program.ts'
import { detection, detectionText, isWithinBound } from './failure-watch.ts'
import type { HostProcess } from './host-process.ts'
import type { TestFleet } from './test-fleet.ts'

export interface FleetField {
  readonly fleet: TestFleet
  readonly rng: Rng
  /** Resolves when the hosts have made so many changes more. */
  readonly changes: (count: number) => Promise<void>
  readonly tell: (text: string) => void
}

export interface FleetAct {
  readonly name: string
  /** Resolves when the fault has lasted long enough. @throws when it was answered wrongly */
  begin(field: FleetField): Promise<void>
  end(field: FleetField): Promise<void>
}

const heal = async ({ fleet }: FleetField): Promise<void> => await fleet.network.heal()

const startAll = async ({ fleet }: FleetField): Promise<void> => {
  await Promise.all(fleet.agents.map((agent) => agent.start()))
}

function others(fleet: TestFleet, victims: readonly HostProcess[]): readonly HostProcess[] {
  return fleet.agents.filter((agent) => !victims.includes(agent))
}

/** Of the catalog: nodes that count as failed. */
async function failedNodes({ servers }: TestFleet): Promise<readonly string[]> {
  const leader = await servers.leader()
  const checks = await leader.ask<readonly { Node: string; CheckID: string }[]>(
    '/v1/health/state/critical?stale',
  )
  return (checks ?? []).filter(({ CheckID }) => CheckID === 'serfHealth').map(({ Node }) => Node)
}

/** Their peers reach them, so nobody may take them for failed, and they go on answering from their views. */
export const CUT_FROM_SERVERS: FleetAct = {
  name: 'four clients cut off from all servers',
  begin: async ({ fleet, rng, changes, tell }) => {
    const cut = rng.shuffle(fleet.clients).slice(0, 4)
    await fleet.network.partition(
      cut.map(({ host }) => host),
      fleet.servers.all.map(({ host }) => host),
    )
    for (const agent of cut) {
      await eventually(
        `${agent.host.name} knows that it is cut off`,
        async () => {
          const response = await fetch(`${agent.url}/v1/health/service/web?cached`)
          await response.arrayBuffer()
          assert.equal(response.status, 200)
          return response.headers.get('x-consul-knownleader') === 'false'
        },
        60_000,
      )
    }
    await changes(100)
    const failed = await failedNodes(fleet)
    tell(`taken for failed: ${failed.length === 0 ? 'nobody' : failed.join(', ')}`)
    assert.deepEqual(failed, [])
  },
  end: heal,
}

export const HALVES_APART: FleetAct = {
  name: 'the halves of the fleet apart',
  begin: async ({ fleet, rng, tell }) => {
    const [lone, ...majority] = rng.shuffle(fleet.servers.all)
    const clients = rng.shuffle(fleet.clients)
    const half = Math.floor(clients.length / 2)
    const left = [...(lone === undefined ? [] : [lone]), ...clients.slice(0, half)]
    const right = [...majority, ...clients.slice(half)]
    await fleet.network.partition(
      left.map(({ host }) => host),
      right.map(({ host }) => host),
    )
    const since = performance.now()
    const members = fleet.agents.length
    const found = await Promise.all([
      detection(left, right, { since, members }),
      detection(right, left, { since, members }),
    ])
    for (const each of found) tell(`the other half is failed: ${detectionText(each)}`)
  },
  end: heal,
}

export function lossyFleet(percent: number): FleetAct {
  return {
    name: `${percent} % of packets lost`,
    begin: async ({ fleet, changes, tell }) => {
      const before = await fleet.network.dropped()
      await fleet.network.lose(percent)
      const failed = new Set<string>()
      for (let i = 0; i < 5; i++) {
        await changes(80)
        for (const name of await failedNodes(fleet)) failed.add(name)
      }
      assert((await fleet.network.dropped()) > before, 'packets were lost')
      tell(`well and taken for failed: ${failed.size} of ${fleet.agents.length}`)
    },
    end: heal,
  }
}

export const STAND_STILL: FleetAct = {
  name: 'three clients stand still',
  begin: async ({ fleet, rng, tell }) => {
    const victims = rng.shuffle(fleet.clients).slice(0, 3)
    for (const victim of victims) victim.signal('SIGSTOP')
    const clock = { since: performance.now(), members: fleet.agents.length }
    const found = await detection(others(fleet, victims), victims, clock)
    tell(detectionText(found))
  },
  end: async ({ fleet }) => {
    for (const client of fleet.clients) client.signal('SIGCONT')
  },
}

/** It stays dead while all is compared. */
export const ONE_CRASHES: FleetAct = {
  name: 'one client crashes',
  begin: async ({ fleet, rng, tell }) => {
    const victim = rng.pick(fleet.clients)
    if (victim === undefined) return
    await victim.kill()
    const clock = { since: performance.now(), members: fleet.agents.length }
    const found = await detection(others(fleet, [victim]), [victim], clock)
    tell(detectionText(found))
    assert(isWithinBound(found), `the crash was found too late: ${detectionText(found)}`)
  },
  end: async () => {},
}

export const CLIENTS_RESTART: FleetAct = {
  name: 'all clients killed and started at once',
  begin: async ({ fleet }) => {
    await Promise.all(fleet.clients.map((client) => client.kill()))
  },
  end: startAll,
}

export const SERVERS_RESTART: FleetAct = {
  name: 'all servers killed and started at once',
  begin: async ({ fleet, changes }) => {
    await Promise.all(fleet.servers.all.map((server) => server.kill()))
    await changes(60)
  },
  end: startAll,
}
