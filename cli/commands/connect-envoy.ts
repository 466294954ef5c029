/**
 * `fairlead connect envoy`: an Envoy as the proxy of a sidecar (cli.md section 8, docs/decisions/0037).
 *
 * Asks the agent who the sidecar is, writes what Envoy needs to find the agent, and becomes Envoy.
 */

import { execFileSync } from 'node:child_process'
import { type BootstrapOptions, envoyBootstrap, type HostPort } from '../../core/xds/bootstrap.ts'
import { API_FLAGS, ApiClient, authorities, tokenOf } from '../api-client.ts'
import {
  type Arguments,
  type CliContext,
  type CommandSpec,
  flag,
  toggle,
  UsageError,
} from '../command.ts'
import { pipeOf } from '../data-planes/bootstrap-pipe.ts'
import { findProgram, replaceProcess } from '../data-planes/replace-process.ts'
import { lookUpSidecar, SIDECAR_FLAGS, type Sidecar } from '../data-planes/sidecar-lookup.ts'

/** The oldest whose settings are those that are sent. */
const OLDEST = { major: 1, minor: 31 }
/**
 * How long connections outlive rules or a listener that are no longer theirs. Envoy's own 10 minutes would leave
 * callers connected for so long whom an intention denies by now.
 */
const DRAIN = ['--drain-time-s', '5', '--drain-strategy', 'immediate']
const ADVICE =
  'install it (https://www.envoyproxy.io/docs/envoy/latest/start/install) or give -envoy-binary'

export const connectEnvoyCommand: CommandSpec = {
  summary: 'Run an Envoy as the proxy of a sidecar',
  usage: '[-- ENVOY ARGUMENTS...]',
  flags: [
    ...SIDECAR_FLAGS,
    flag('gateway', 'kind', 'not supported: there are no gateways yet'),
    flag('node-name', 'name', 'name of the node (default: that of the agent)'),
    toggle('bootstrap', 'print the configuration instead of running Envoy'),
    flag('admin-bind', 'host:port', 'where Envoy is administered (default: localhost:19000)'),
    flag('admin-access-log-path', 'path', 'log of that (default: /dev/null)'),
    flag('envoy-binary', 'path', 'the program (default: envoy of the PATH)'),
    flag(
      'grpc-addr',
      'address',
      'gRPC of the agent: host:port, https://host:port or unix:///path (CONSUL_GRPC_ADDR)',
    ),
    flag('grpc-ca-file', 'path', 'certificate authority for gRPC over TLS (CONSUL_GRPC_CACERT)'),
    flag('grpc-ca-path', 'path', 'folder of such authorities (CONSUL_GRPC_CAPATH)'),
    toggle('no-central-config', 'has no effect: nothing of the bootstrap is central'),
    toggle('ignore-envoy-compatibility', 'run any version of Envoy'),
    ...API_FLAGS,
  ],
  run: async (args, context) => {
    refuseUnsupported(args)
    const client = new ApiClient(args, context)
    const sidecar = await lookUpSidecar(args, context, client)
    const bootstrap = envoyBootstrap(await bootstrapOptions(args, context, { client, sidecar }))
    const text = `${JSON.stringify(bootstrap, undefined, 2)}\n`
    if (args.bool('bootstrap')) {
      context.stdout(text)
      return 0
    }
    const program = findProgram(args.text('envoy-binary') ?? 'envoy', context.env, ADVICE)
    if (!args.bool('ignore-envoy-compatibility')) refuseOldVersion(program)
    const path = await pipeOf(text, 'bootstrap.json')
    replaceProcess(program, ['--config-path', path, ...DRAIN, ...args.positionals], context.env)
  },
}

function refuseUnsupported(args: Arguments): void {
  if (args.has('gateway')) {
    throw new UsageError(
      '-gateway is not supported: there are no gateways yet; serve a sidecar by -sidecar-for or -proxy-id',
    )
  }
}

async function bootstrapOptions(
  args: Arguments,
  context: CliContext,
  { client, sidecar }: { readonly client: ApiClient; readonly sidecar: Sidecar },
): Promise<BootstrapOptions> {
  const self = (await client.get('/v1/agent/self')).json() as AgentSelf
  const admin = args.text('admin-bind') ?? 'localhost:19000'
  const prometheus = sidecar.config['envoy_prometheus_bind_addr']
  return {
    proxyId: sidecar.id,
    serviceName: sidecar.name,
    nodeName: args.text('node-name') ?? self.Config.NodeName,
    admin: hostPort(admin, 'admin-bind'),
    adminAccessLogPath: args.text('admin-access-log-path') ?? '/dev/null',
    ...agentAddress(args, context, self),
    token: tokenOf(args, context.env) ?? '',
    prometheus:
      typeof prometheus === 'string' && prometheus !== ''
        ? hostPort(prometheus, 'proxy.config.envoy_prometheus_bind_addr')
        : undefined,
  }
}

interface AgentSelf {
  readonly Config: { readonly NodeName: string }
  readonly xDS?: { readonly Ports?: { readonly Plaintext?: number; readonly TLS?: number } }
}

function agentAddress(
  args: Arguments,
  context: CliContext,
  self: AgentSelf,
): Pick<BootstrapOptions, 'agent' | 'authorities'> {
  const given = args.text('grpc-addr') ?? (context.env['CONSUL_GRPC_ADDR'] || undefined)
  if (given?.startsWith('unix://') === true) {
    return { agent: { socketPath: given.slice('unix://'.length) }, authorities: '' }
  }
  const { Plaintext: port = 0, TLS: tlsPort = -1 } = self.xDS?.Ports ?? {}
  const isTls = given === undefined ? port < 0 && tlsPort > 0 : given.startsWith('https://')
  const authorities = isTls ? grpcAuthorities(args, context) : ''
  if (given !== undefined) {
    return { agent: hostPort(given.replace(/^https?:\/\//, ''), 'grpc-addr'), authorities }
  }
  if (isTls) return { agent: { address: '127.0.0.1', port: tlsPort }, authorities }
  if (port < 0) {
    throw new UsageError(
      'The agent has no gRPC listener for Envoy; set ports.grpc = 8502 in its configuration and restart it',
    )
  }
  return { agent: { address: '127.0.0.1', port: port === 0 ? 8502 : port }, authorities }
}

/** @throws UsageError when none is named: Envoy would take anybody for the agent */
function grpcAuthorities(args: Arguments, { env }: CliContext): string {
  const file = args.text('grpc-ca-file') ?? (env['CONSUL_GRPC_CACERT'] || undefined)
  const folder = args.text('grpc-ca-path') ?? (env['CONSUL_GRPC_CAPATH'] || undefined)
  const found = authorities(file, folder)
  if (found !== undefined && found.length > 0) return found.join('\n')
  throw new UsageError(
    'gRPC over TLS needs the authority of the agent: -grpc-ca-file or CONSUL_GRPC_CACERT',
  )
}

/** @throws UsageError */
function hostPort(text: string, name: string): HostPort {
  const at = text.lastIndexOf(':')
  const host = at < 0 ? '' : text.slice(0, at).replace(/^\[(.*)\]$/, '$1')
  const port = Number(text.slice(at + 1))
  if (host === '' || !Number.isInteger(port) || port < 1 || port > 65_535) {
    throw new UsageError(`-${name} must be host:port, got "${text}"`)
  }
  // Envoy looks no names up here.
  return { address: host === 'localhost' ? '127.0.0.1' : host, port }
}

function refuseOldVersion(program: string): void {
  const text = execFileSync(program, ['--version'], { encoding: 'utf8', env: {} })
  const [, major = '', minor = ''] = /\/(\d+)\.(\d+)\.\d+/.exec(text) ?? []
  const version = Number(major) * 1000 + Number(minor)
  if (version >= OLDEST.major * 1000 + OLDEST.minor) return
  const found = major === '' ? `"${text.trim()}"` : `${major}.${minor}`
  throw new UsageError(
    `Envoy ${found} is not supported: use ${OLDEST.major}.${OLDEST.minor} or newer, or say -ignore-envoy-compatibility`,
  )
}
