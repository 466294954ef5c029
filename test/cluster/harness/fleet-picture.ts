/**
 * Takes the picture of a fleet that test/history/fleet-agreement.ts compares: from the leader, from every agent by
 * HTTP, and by DNS.
 *
 * Not of one moment: of a fleet at rest only. @throws where an agent does not answer
 */

import {
  type AgentSays,
  type Catalog,
  type CheckEntry,
  disagreements,
  type FleetPicture,
  type InstanceEntry,
  type ServiceEntry,
} from '../../history/fleet-agreement.ts'
import { ask } from '../../integration/agent/dns/dns-client.ts'
import { type FleetWorkload, SERVICES } from './fleet-workload.ts'
import type { HostProcess } from './host-process.ts'
import type { TestFleet } from './test-fleet.ts'

const DNS_PORT = 8600
/** Numbers of the API for what members are. */
const MEMBER_STATUS = ['none', 'alive', 'leaving', 'left', 'failed']

interface WireService {
  readonly ID: string
  readonly Service: string
  readonly Port: number
  readonly Tags: readonly string[]
}

interface WireCheck {
  readonly Node: string
  readonly CheckID: string
  readonly ServiceID: string
  readonly Status: string
}

interface WireCatalogService {
  readonly Node: string
  readonly ServiceID: string
  readonly ServiceName: string
  readonly ServicePort: number
  readonly ServiceTags: readonly string[]
}

interface WireInstance {
  readonly Node: { readonly Node: string; readonly Address: string }
  readonly Service: WireService
  readonly Checks: readonly WireCheck[]
}

/** @returns what is not the same everywhere right now */
export async function compareFleet(
  fleet: TestFleet,
  workload: FleetWorkload,
): Promise<readonly string[]> {
  const running = fleet.agents.filter(({ isRunning }) => isRunning)
  const leader = await leaderOf(fleet)
  const picture: FleetPicture = {
    catalog: await catalogOf(leader),
    agents: await Promise.all(running.map((agent) => said(fleet, agent, workload))),
    dead: fleet.agents.filter(({ isRunning }) => !isRunning).map(({ host }) => host.name),
  }
  return disagreements(picture)
}

async function leaderOf({ servers }: TestFleet): Promise<HostProcess> {
  for (const server of servers.all) if (await server.isLeader()) return server
  throw new Error('there is no leader')
}

async function catalogOf(leader: HostProcess): Promise<Catalog> {
  const get = async <T>(path: string): Promise<T> => await json(leader, `${path}?consistent`)
  const nodes = await get<readonly { Node: string; Address: string }[]>('/v1/catalog/nodes')
  const names = Object.keys(await get<object>('/v1/catalog/services'))
  const services: ServiceEntry[] = []
  for (const name of names) {
    for (const entry of await get<readonly WireCatalogService[]>(`/v1/catalog/service/${name}`)) {
      services.push({
        node: entry.Node,
        id: entry.ServiceID,
        service: entry.ServiceName,
        port: entry.ServicePort,
        tags: entry.ServiceTags,
      })
    }
  }
  const checks = await get<readonly WireCheck[]>('/v1/health/state/any')
  return {
    nodes: new Map(nodes.map(({ Node, Address }) => [Node, Address])),
    services,
    checks: checks.map(checkOf),
  }
}

async function said(
  { servers }: TestFleet,
  agent: HostProcess,
  workload: FleetWorkload,
): Promise<AgentSays> {
  const { name, address } = agent.host
  const services = await json<Record<string, WireService>>(agent, '/v1/agent/services')
  const checks = await json<Record<string, WireCheck>>(agent, '/v1/agent/checks')
  const members = await json<readonly { Name: string; Status: number }[]>(
    agent,
    '/v1/agent/members',
  )
  const views = new Map<string, readonly InstanceEntry[]>()
  const srv = new Map<string, readonly string[]>()
  for (const service of SERVICES) {
    const view = await json<readonly WireInstance[]>(agent, `/v1/health/service/${service}?cached`)
    views.set(service, view.map(instanceOf))
    srv.set(service, await srvOf(address, service))
  }
  return {
    name,
    address,
    isServer: servers.all.includes(agent),
    services: Object.values(services).map((service) => serviceOf(name, service)),
    checks: Object.values(checks).map(checkOf),
    members: new Map(members.map(({ Name, Status }) => [Name, MEMBER_STATUS[Status] ?? '?'])),
    views,
    srv,
    acknowledged: workload.acknowledged(agent),
  }
}

/** Over TCP, where no answer is cut short. @returns `node port` of each */
async function srvOf(host: string, service: string): Promise<readonly string[]> {
  const name = `${service}.service.consul`
  const { packet, rcode } = await ask(DNS_PORT, name, 'SRV', { transport: 'tcp', host })
  if (rcode !== 'NOERROR' && rcode !== 'NXDOMAIN') throw new Error(`${name}: ${rcode}`)
  return (packet.answers ?? []).flatMap((answer) => {
    if (answer.type !== 'SRV') return []
    return [`${answer.data.target.split('.')[0]} ${answer.data.port}`]
  })
}

async function json<T>(agent: HostProcess, path: string): Promise<T> {
  const answer = await agent.ask<T>(path)
  if (answer === undefined) throw new Error(`${agent.host.name} does not answer ${path}`)
  return answer
}

function serviceOf(node: string, { ID, Service, Port, Tags }: WireService): ServiceEntry {
  return { node, id: ID, service: Service, port: Port, tags: Tags }
}

function checkOf({ Node, CheckID, ServiceID, Status }: WireCheck): CheckEntry {
  return { node: Node, id: CheckID, serviceId: ServiceID, status: Status }
}

function instanceOf({ Node, Service, Checks }: WireInstance): InstanceEntry {
  const checks = Checks.map(checkOf)
  return { ...serviceOf(Node.Node, Service), nodeAddress: Node.Address, checks }
}
