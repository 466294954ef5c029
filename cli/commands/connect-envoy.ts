/**
 * `fairlead connect envoy`: an Envoy as the proxy of a sidecar (cli.md section 8, docs/decisions/0037).
 *
 * Asks the agent who the sidecar is, writes what Envoy needs to find the agent, and becomes Envoy.
 */

import { execFileSync } from 'node:child_process'
import { type BootstrapOptions, envoyBootstrap, type HostPort } from '../../core/xds/bootstrap.ts'
import { API_FLAGS, ApiClient, tokenOf } from '../api-client.ts'
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
    flag('grpc-addr', 'address', 'gRPC of the agent: host:port or unix:///path (CONSUL_GRPC_ADDR)'),
    flag(
      'grpc-ca-file',
      'path',
      'not supported: Envoys of this command are served in clear, on loopback',
    ),
    flag(
      'grpc-ca-path',
      'path',
      'not supported: Envoys of this command are served in clear, on loopback',
    ),
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
  for (const name of ['grpc-ca-file', 'grpc-ca-path']) {
    if (!args.has(name)) continue
    throw new UsageError(
      `-${name} is not supported: its Envoys are served in clear, on loopback; keep ports.grpc on loopback and leave the flag out`,
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
    agent: agentAddress(args, context, self),
    token: tokenOf(args, context.env) ?? '',
    prometheus:
      typeof prometheus === 'string' && prometheus !== ''
        ? hostPort(prometheus, 'proxy.config.envoy_prometheus_bind_addr')
        : undefined,
  }
}

interface AgentSelf {
  readonly Config: { readonly NodeName: string }
  readonly xDS?: { readonly Ports?: { readonly Plaintext?: number } }
}

function agentAddress(
  args: Arguments,
  context: CliContext,
  self: AgentSelf,
): BootstrapOptions['agent'] {
  const given = args.text('grpc-addr') ?? (context.env['CONSUL_GRPC_ADDR'] || undefined)
  if (given !== undefined) {
    if (given.startsWith('unix://')) return { socketPath: given.slice('unix://'.length) }
    if (given.startsWith('https://')) {
      throw new UsageError(
        '-grpc-addr: the Envoys that this command starts are served in clear, on loopback; leave out https://',
      )
    }
    return hostPort(given.replace(/^http:\/\//, ''), 'grpc-addr')
  }
  const port = self.xDS?.Ports?.Plaintext ?? 0
  if (port < 0) {
    throw new UsageError(
      'The agent has no gRPC listener for Envoy; set ports.grpc = 8502 in its configuration and restart it',
    )
  }
  return { address: '127.0.0.1', port: port === 0 ? 8502 : port }
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
