/**
 * `fairlead connect redirect-traffic` (cli.md section 8, mesh.md 13.1): the packet filter takes connections into the
 * mesh, for applications that know nothing of it.
 *
 * The rules are made by core/mesh/redirect-rules.ts and set in one transaction. `-undo` leaves the host as it was.
 * Needs CAP_NET_ADMIN, `nft` and, where the host has no route for virtual addresses, `ip`.
 */

import { execFile } from 'node:child_process'
import { isIP, isIPv4 } from 'node:net'
import { FairleadError } from '../../core/errors.ts'
import { parseIpNetwork } from '../../core/ip-network.ts'
import {
  type ManualAddress,
  type RedirectOptions,
  redirectedRange,
  redirectRules,
  undoRules,
} from '../../core/mesh/redirect-rules.ts'
import { OUTBOUND_PORT } from '../../core/mesh/transparent.ts'
import { API_FLAGS, ApiClient } from '../api-client.ts'
import {
  type Arguments,
  type CliContext,
  type CommandSpec,
  flag,
  listFlag,
  toggle,
  UsageError,
} from '../command.ts'

/** Marks our route in the routing table, so that undo takes away that one and no other. */
const ROUTE_PROTOCOL = '250'
const SSH_PORT = 22

export const redirectTrafficCommand: CommandSpec = {
  summary:
    'Take the connections of this host into the mesh by the packet filter, or stop it (-undo)',
  usage: '',
  flags: [
    flag('proxy-id', 'id', 'the sidecar; its registration tells the ports'),
    flag('proxy-uid', 'uid', 'user id of the agent and its proxy, whose traffic is left alone'),
    flag('node-name', 'name', 'node of the sidecar, where it is registered in the catalog only'),
    flag('proxy-inbound-port', 'port', 'port of the sidecar for other hosts'),
    flag('proxy-outbound-port', 'port', `port for redirected calls (default: ${OUTBOUND_PORT})`),
    listFlag('exclude-inbound-port', 'port', 'port of this host to leave alone; repeatable'),
    listFlag('exclude-outbound-port', 'port', 'port elsewhere to leave alone; repeatable'),
    listFlag('exclude-outbound-cidr', 'cidr', 'addresses to leave alone; repeatable'),
    listFlag('exclude-uid', 'uid', 'user id whose calls are left alone; repeatable'),
    flag('consul-dns-ip', 'address', 'send questions of DNS to this address'),
    flag(
      'consul-dns-port',
      'port',
      'and this port; only those asked of the address, by default 127.0.0.1',
    ),
    flag('netns', 'path', 'network namespace, as in /run/netns/NAME'),
    toggle('dry-run', 'print the rules and change nothing'),
    toggle('undo', 'take away what the command did'),
    ...API_FLAGS,
  ],
  run: async (args, context) => {
    const host = new Host(args.text('netns'))
    if (args.bool('undo')) {
      await undo(args, context, host)
      return 0
    }
    const options = await redirectOptions(args, new ApiClient(args, context))
    const rules = redirectRules(options)
    if (args.bool('dry-run')) {
      context.stdout(rules)
      return 0
    }
    if (!options.excludeInboundPorts.includes(SSH_PORT)) {
      context.stderr(
        `New connections to port ${SSH_PORT} of this host go to the sidecar too; -exclude-inbound-port=${SSH_PORT} keeps SSH\n`,
      )
    }
    await addRoute(host, redirectedRange(options.loopbackBase))
    for (const { address } of options.manualAddresses) await addRoute(host, `${address}/32`)
    await host.run('nft', ['-f', '-'], rules)
    context.stdout('Traffic is redirected; -undo takes it back\n')
    return 0
  },
}

async function undo(args: Arguments, context: CliContext, host: Host): Promise<void> {
  if (args.bool('dry-run')) {
    context.stdout(undoRules())
    return
  }
  await host.run('nft', ['-f', '-'], undoRules())
  await host.run('ip', ['-4', 'route', 'flush', 'proto', ROUTE_PROTOCOL, 'dev', 'lo'])
  context.stdout('Traffic is no longer redirected\n')
}

/** A host without a default route refuses calls to virtual addresses before a rule sees them (mesh.md 13.3). */
async function addRoute(host: Host, range: string): Promise<void> {
  const address = range.slice(0, range.indexOf('/'))
  const asked = await host.tryTo('ip', ['-4', 'route', 'get', address])
  if (asked.isGood) return
  const route = ['to', range, 'dev', 'lo', 'scope', 'host', 'src', '127.0.0.1']
  await host.run('ip', ['-4', 'route', 'replace', ...route, 'proto', ROUTE_PROTOCOL])
}

interface ProxyAnswer {
  readonly Kind?: string
  readonly Port?: number
  readonly Proxy?: {
    readonly Config?: Readonly<Record<string, unknown>> | null
    readonly TransparentProxy?: { readonly OutboundListenerPort?: number }
    readonly Expose?: { readonly Paths?: readonly { readonly ListenerPort?: number }[] | null }
  }
}

interface AgentSelf {
  readonly DebugConfig: Readonly<Record<string, unknown>>
}

async function redirectOptions(args: Arguments, client: ApiClient): Promise<RedirectOptions> {
  const proxyUid = uid('proxy-uid', args.text('proxy-uid'))
  if (proxyUid === undefined) {
    throw new UsageError('ProxyUserID is required to set up traffic redirection: -proxy-uid')
  }
  const proxy = await lookUp(args, client)
  const config = proxy?.Proxy?.Config ?? {}
  const inboundPort =
    portOf('proxy-inbound-port', args.text('proxy-inbound-port')) ??
    portIn(config['bind_port']) ??
    portIn(proxy?.Port)
  if (inboundPort === undefined) {
    throw new UsageError(
      'ProxyInboundPort is required to set up traffic redirection: -proxy-id or -proxy-inbound-port',
    )
  }
  const self = (await client.get('/v1/agent/self')).json() as AgentSelf
  return {
    proxyUid,
    inboundPort,
    outboundPort:
      portOf('proxy-outbound-port', args.text('proxy-outbound-port')) ??
      portIn(proxy?.Proxy?.TransparentProxy?.OutboundListenerPort) ??
      OUTBOUND_PORT,
    loopbackBase: String(self.DebugConfig['MeshLoopbackBase']),
    manualAddresses: await manualAddresses(client),
    excludeInboundPorts: [
      ...ports(args, 'exclude-inbound-port'),
      ...portsOfProxy(config, proxy),
      ...portsOfAgent(self),
    ],
    excludeOutboundPorts: ports(args, 'exclude-outbound-port'),
    excludeOutboundCidrs: args.list('exclude-outbound-cidr').map(cidr),
    excludeUids: args.list('exclude-uid').map((text) => uid('exclude-uid', text) ?? 0),
    dns: dnsOf(args),
    meshDestinationsOnly: await isMeshOnly(client),
  }
}

async function lookUp(args: Arguments, client: ApiClient): Promise<ProxyAnswer | undefined> {
  const id = args.text('proxy-id')
  if (id === undefined) return undefined
  const node = args.text('node-name')
  const found =
    node === undefined
      ? await client.get(`/v1/agent/service/${encodeURIComponent(id)}`, { accept: [404] })
      : await client.get(`/v1/catalog/node/${encodeURIComponent(node)}`)
  const proxy =
    node === undefined
      ? found.status === 404
        ? undefined
        : (found.json() as ProxyAnswer)
      : (found.json() as { readonly Services?: Readonly<Record<string, ProxyAnswer>> } | null)
          ?.Services?.[id]
  if (proxy === undefined) throw new UsageError(`-proxy-id: no service "${id}" is registered`)
  if (proxy.Kind === 'connect-proxy') return proxy
  throw new UsageError(`-proxy-id: "${id}" is no sidecar proxy`)
}

/** What is asked of the sidecar in plain: metrics and exposed paths. */
function portsOfProxy(
  config: Readonly<Record<string, unknown>>,
  proxy: ProxyAnswer | undefined,
): readonly number[] {
  const addresses = ['envoy_prometheus_bind_addr', 'envoy_stats_bind_addr'].map((key) => {
    const text = config[key]
    return typeof text === 'string' ? Number(text.slice(text.lastIndexOf(':') + 1)) : undefined
  })
  const exposed = (proxy?.Proxy?.Expose?.Paths ?? []).map((path) => path.ListenerPort)
  return [...addresses, ...exposed].flatMap((port) => portIn(port) ?? [])
}

/** Other agents must still reach this one. */
function portsOfAgent({ DebugConfig }: AgentSelf): readonly number[] {
  const names = ['ServerPort', 'SerfPortLAN', 'HTTPPort', 'DNSPort', 'GRPCPort']
  return names.flatMap((name) => portIn(DebugConfig[name]) ?? [])
}

async function manualAddresses(client: ApiClient): Promise<readonly ManualAddress[]> {
  const answer = await client.get('/v1/internal/service-virtual-ip')
  const all = answer.json() as readonly {
    readonly VirtualIP: string
    readonly ManualVIPs: readonly string[]
  }[]
  return all.flatMap(({ VirtualIP, ManualVIPs }) =>
    ManualVIPs.map((address) => ({ address, virtualIp: VirtualIP })),
  )
}

async function isMeshOnly(client: ApiClient): Promise<boolean> {
  const answer = await client.get('/v1/config/mesh/mesh', { accept: [404] })
  if (answer.status === 404) return false
  const entry = answer.json() as {
    readonly TransparentProxy?: { readonly MeshDestinationsOnly?: boolean }
  }
  return entry.TransparentProxy?.MeshDestinationsOnly === true
}

function dnsOf(args: Arguments): RedirectOptions['dns'] {
  const port = portOf('consul-dns-port', args.text('consul-dns-port'))
  const ip = args.text('consul-dns-ip') ?? (port === undefined ? undefined : '127.0.0.1')
  if (ip === undefined) return undefined
  if (isIP(ip) === 0) throw new UsageError(`-consul-dns-ip takes an IP address, got "${ip}"`)
  return { ip, port }
}

function ports(args: Arguments, name: string): readonly number[] {
  return args.list(name).flatMap((text) => portOf(name, text) ?? [])
}

function portOf(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const port = /^[0-9]{1,5}$/.test(text) ? portIn(Number(text)) : undefined
  if (port === undefined) throw new UsageError(`-${name} takes a port, got "${text}"`)
  return port
}

function portIn(value: unknown): number | undefined {
  const isPort = typeof value === 'number' && Number.isInteger(value) && value > 0 && value < 65_536
  return isPort ? value : undefined
}

function uid(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  if (/^[0-9]{1,10}$/.test(text) && Number(text) < 2 ** 32 - 1) return Number(text)
  throw new UsageError(`-${name} takes a numeric user id, got "${text}"; id -u NAME prints it`)
}

function cidr(text: string): string {
  const isNetwork = parseIpNetwork(text) !== null || isIPv4(text) || isIP(text) === 6
  if (isNetwork) return text
  throw new UsageError(`-exclude-outbound-cidr takes a network such as 10.0.0.0/8, got "${text}"`)
}

/** Runs programs, in another network namespace where one is given. */
class Host {
  readonly #prefix: readonly string[]

  constructor(netns: string | undefined) {
    this.#prefix = netns === undefined ? [] : ['nsenter', `--net=${netns}`, '--']
  }

  /** @throws FairleadError with what the program complained of */
  async run(program: string, args: readonly string[], stdin = ''): Promise<void> {
    const { isGood, complaint } = await this.tryTo(program, args, stdin)
    if (isGood) return
    throw new FairleadError('REJECTED', `${program} failed: ${complaint}`, {
      facts: { hint: 'run it as root (CAP_NET_ADMIN), with nftables and iproute2 installed' },
    })
  }

  async tryTo(
    program: string,
    args: readonly string[],
    stdin = '',
  ): Promise<{ readonly isGood: boolean; readonly complaint: string }> {
    const [first = program, ...rest] = [...this.#prefix, program, ...args]
    return await new Promise((resolve) => {
      const child = execFile(first, rest, (err, _stdout, stderr) => {
        resolve({ isGood: err === null, complaint: stderr.trim() || (err?.message ?? '') })
      })
      child.stdin?.on('error', () => {})
      child.stdin?.end(stdin)
    })
  }
}
