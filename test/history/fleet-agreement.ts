/**
 * What a fleet says about itself when it is at rest, compared entry by entry: the catalog of the leader against what
 * each agent runs, against what each agent tells its host by HTTP and DNS, and against who lives (verification 24.2).
 *
 * Pure; knows nothing of how the picture was taken. Guarantees: an entry that is missing, too many or different
 * anywhere is one line of the answer; no line means that every view equals the catalog. Linear in the entries.
 */

export type CheckStatus = 'passing' | 'warning' | 'critical'

/** Of a node when `serviceId` is empty. */
export interface CheckEntry {
  readonly node: string
  readonly id: string
  readonly serviceId: string
  readonly status: string
}

export interface ServiceEntry {
  readonly node: string
  readonly id: string
  readonly service: string
  readonly port: number
  readonly tags: readonly string[]
}

/** One instance as a view shows it, with its checks and those of its node. */
export interface InstanceEntry extends ServiceEntry {
  readonly nodeAddress: string
  readonly checks: readonly CheckEntry[]
}

export interface Catalog {
  /** By name: the address. */
  readonly nodes: ReadonlyMap<string, string>
  readonly services: readonly ServiceEntry[]
  readonly checks: readonly CheckEntry[]
}

/** What a host was told; `unknown` when there was no answer to the last change. */
export type Expected = Omit<ServiceEntry, 'node'> & { readonly status: CheckStatus }
export type Expectation = Expected | 'absent' | 'unknown'

/** What one agent that lives says. */
export interface AgentSays {
  readonly name: string
  readonly address: string
  /** Registers services of its own in the catalog, as servers do. */
  readonly isServer: boolean
  readonly services: readonly ServiceEntry[]
  readonly checks: readonly CheckEntry[]
  /** Of the gossip pool: name to status. */
  readonly members: ReadonlyMap<string, string>
  /** By service: what it tells by HTTP. */
  readonly views: ReadonlyMap<string, readonly InstanceEntry[]>
  /** By service: `node port`, what it tells by DNS. */
  readonly srv: ReadonlyMap<string, readonly string[]>
  /** By id of the service: what its host was told was done. */
  readonly acknowledged: ReadonlyMap<string, Expectation>
}

export interface FleetPicture {
  readonly catalog: Catalog
  readonly agents: readonly AgentSays[]
  /** Agents that were killed and not started again. */
  readonly dead: readonly string[]
}

const NODE_HEALTH = 'serfHealth'
/** What servers register of themselves. */
const SERVERS_SERVICE = 'consul'

/** @returns one sentence for each entry that is not the same everywhere */
export function disagreements(picture: FleetPicture): readonly string[] {
  return [
    ...whoLives(picture),
    ...picture.agents.flatMap((agent) => [
      ...ofHost(picture.catalog, agent),
      ...ofAcknowledged(agent),
      ...ofMembers(picture, agent),
      ...ofViews(picture.catalog, agent),
    ]),
  ]
}

/** The catalog has every agent, passing when it lives, critical when it does not, and nobody else. */
function whoLives({ catalog, agents, dead }: FleetPicture): readonly string[] {
  const wanted = new Map<string, string>()
  for (const { name, address } of agents) wanted.set(name, `${address} passing`)
  for (const name of dead) wanted.set(name, `${catalog.nodes.get(name) ?? 'gone'} critical`)
  const found = new Map<string, string>()
  for (const [name, address] of catalog.nodes) {
    const health = catalog.checks.filter(({ node, id }) => node === name && id === NODE_HEALTH)
    found.set(name, `${address} ${health.map(({ status }) => status).join(' and ')}`)
  }
  return differences('the catalog of nodes', wanted, found)
}

function ofHost(catalog: Catalog, agent: AgentSays): readonly string[] {
  const { name } = agent
  const isOwn = (entry: ServiceEntry): boolean =>
    entry.node === name && !(agent.isServer && entry.service === SERVERS_SERVICE)
  const isCheck = ({ node, id }: CheckEntry): boolean => node === name && id !== NODE_HEALTH
  return [
    ...differences(
      `the catalog's services of ${name}, against those of the host`,
      byId(agent.services, serviceText),
      byId(catalog.services.filter(isOwn), serviceText),
    ),
    ...differences(
      `the catalog's checks of ${name}, against those of the host`,
      byId(agent.checks, checkText),
      byId(catalog.checks.filter(isCheck), checkText),
    ),
  ]
}

/** Nothing that a host was told was done is undone, whatever happened to its agent. */
function ofAcknowledged({ name, services, checks, acknowledged }: AgentSays): readonly string[] {
  const lines: string[] = []
  const known = new Set<string>()
  for (const [id, expected] of acknowledged) {
    known.add(id)
    if (expected === 'unknown') continue
    const service = services.find((entry) => entry.id === id)
    const status = checks.find((check) => check.serviceId === id)?.status
    const found = service === undefined ? 'absent' : `${serviceText(service)} ${status ?? ''}`
    const wanted =
      expected === 'absent'
        ? 'absent'
        : `${serviceText({ ...expected, node: name })} ${expected.status}`
    if (found !== wanted) lines.push(`${name} has ${id} ${found}; acknowledged was ${wanted}`)
  }
  for (const { id } of services) {
    if (!known.has(id)) lines.push(`${name} has ${id}, which nobody registered`)
  }
  return lines
}

function ofMembers({ agents, dead }: FleetPicture, agent: AgentSays): readonly string[] {
  const wanted = new Map<string, string>()
  for (const { name } of agents) wanted.set(name, 'alive')
  for (const name of dead) wanted.set(name, 'failed')
  return differences(`the members that ${agent.name} sees`, wanted, agent.members)
}

function ofViews(catalog: Catalog, agent: AgentSays): readonly string[] {
  const lines: string[] = []
  for (const [service, view] of agent.views) {
    const instances = instancesOf(catalog, service)
    const what = `${service} as ${agent.name} tells it`
    lines.push(
      ...differences(`${what} by HTTP`, byPlace(instances), byPlace(view)),
      ...differences(
        `${what} by DNS`,
        asSet(instances.filter(isUsable).map(({ node, port }) => `${node} ${port}`)),
        asSet(agent.srv.get(service) ?? []),
      ),
    )
  }
  return lines
}

function instancesOf({ nodes, services, checks }: Catalog, name: string): InstanceEntry[] {
  return services
    .filter(({ service }) => service === name)
    .map((entry) => ({
      ...entry,
      nodeAddress: nodes.get(entry.node) ?? '',
      checks: checks.filter(
        ({ node, serviceId }) =>
          node === entry.node && (serviceId === '' || serviceId === entry.id),
      ),
    }))
}

/** DNS leaves out what is critical. */
function isUsable({ checks }: InstanceEntry): boolean {
  return checks.every(({ status }) => status !== 'critical')
}

function byPlace(instances: readonly InstanceEntry[]): ReadonlyMap<string, string> {
  return keyed(
    instances.map((instance) => {
      const checks = instance.checks.map((check) => `${check.id} ${check.status}`).sort()
      const text = `${serviceText(instance)} at ${instance.nodeAddress}: ${checks.join(', ')}`
      return [`${instance.node}/${instance.id}`, text]
    }),
  )
}

function byId<T extends { readonly id: string }>(
  entries: readonly T[],
  text: (entry: T) => string,
): ReadonlyMap<string, string> {
  return keyed(entries.map((entry) => [entry.id, text(entry)]))
}

function asSet(keys: readonly string[]): ReadonlyMap<string, string> {
  return keyed(keys.map((key) => [key, '']))
}

/** The same key twice is a difference of its own. */
function keyed(entries: readonly (readonly [string, string])[]): ReadonlyMap<string, string> {
  const found = new Map<string, string>()
  for (const [key, text] of entries) {
    found.set(key, found.has(key) ? `${found.get(key)} and again ${text}` : text)
  }
  return found
}

function serviceText({ id, service, port, tags }: ServiceEntry): string {
  return `${service} "${id}" on ${port} [${[...tags].sort().join()}]`
}

function checkText({ serviceId, status }: CheckEntry): string {
  return `${serviceId === '' ? 'of the node' : `of "${serviceId}"`} ${status}`
}

function differences(
  where: string,
  wanted: ReadonlyMap<string, string>,
  found: ReadonlyMap<string, string>,
): readonly string[] {
  const lines: string[] = []
  for (const key of new Set([...wanted.keys(), ...found.keys()])) {
    const [a, b] = [wanted.get(key), found.get(key)]
    if (a === b) continue
    if (b === undefined) lines.push(`${where}: "${key}" is missing (${a})`)
    else if (a === undefined) lines.push(`${where}: "${key}" is too many (${b})`)
    else lines.push(`${where}: "${key}" is ${b} instead of ${a}`)
  }
  return lines
}
