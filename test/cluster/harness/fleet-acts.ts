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
  /** Of gossip, in base64; the act that rotates it says so here. */
  key: string
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
      for (let i = 0; i < 4; i++) {
        await changes(50)
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
    // Each waits for a server for a while.
    await changes(15)
  },
  end: startAll,
}

/** Asked at a client that one of the others does not hear: helpers pass it on. */
export const KEY_ROTATED: FleetAct = {
  name: 'gossip key rotated at a client that one other does not hear',
  begin: async (field) => {
    const { fleet, rng } = field
    const [asked, deaf] = rng.shuffle(fleet.clients)
    assert(asked !== undefined && deaf !== undefined)
    await fleet.network.partition([asked.host], [deaf.host])
    const before = field.key
    field.key = Buffer.from(Array.from({ length: 32 }, () => rng.range(0, 256))).toString('base64')
    await keyring(asked, 'POST', field.key)
    await keyring(asked, 'PUT', field.key)
    await keyring(asked, 'DELETE', before)
  },
  end: async (field) => {
    await heal(field)
    for (const agent of field.fleet.agents) {
      const pools =
        await agent.ask<readonly { Keys: Readonly<Record<string, number>> }[]>(
          '/v1/operator/keyring',
        )
      assert.deepEqual(pools?.[0]?.Keys, { [field.key]: field.fleet.agents.length })
    }
  },
}

/** @throws with what the agent says when not all members have done it */
async function keyring(agent: HostProcess, method: string, key: string): Promise<void> {
  const url = `${agent.url}/v1/operator/keyring?relay-factor=3`
  const response = await fetch(url, { method, body: JSON.stringify({ Key: key }) })
  assert.equal(response.status, 200, `${method}: ${await response.text()}`)
}
