/**
 * `fairlead init`: makes this host the first server of a secure cluster (docs/decisions/0042).
 *
 * Makes an authority, certificates and a key of gossip, writes the configuration, founds the cluster with access control on, and
 * prints what lets further hosts in. Guarantees: a host that is part of a cluster is left as it is; what fails half way
 * leaves nothing behind; secrets are in files for their owner, the join tokens on standard output.
 */

import { randomBytes } from 'node:crypto'
import { chown, mkdir, readdir, rm, rmdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { AgentConfig } from '../../core/config/model.ts'
import { formatProblem } from '../../core/config/problem.ts'
import { FairleadError } from '../../core/errors.ts'
import { systemClock } from '../../runtime/clock/system-clock.ts'
import { writeFileAtomic } from '../../runtime/host/atomic-file.ts'
import {
  createAgentAuthority,
  createAgentCertificate,
  namesOfRole,
} from '../../runtime/pki/agent-certificates.ts'
import { readHostFacts } from '../agent/host-facts.ts'
import { loadConfig } from '../agent/load-config.ts'
import { ApiClient } from '../api-client.ts'
import { type Arguments, type CliContext, type CommandSpec, flag, toggle } from '../command.ts'
import { parseGoFlags } from '../go-flags.ts'
import { FirstRun } from '../join/first-run.ts'
import { HOST_FLAGS, hostChoices, startService } from '../join/host-choices.ts'
import {
  assertIsNew,
  type HostFile,
  makeDataFolder,
  serviceOwner,
  writeHostFiles,
} from '../join/host-files.ts'
import {
  CA_KEY_PATH,
  CA_PATH,
  configText,
  type HostChoices,
  SERVER_CERTIFICATE_DAYS,
  serverCertPath,
} from '../join/written-config.ts'

const AUTHORITY_DAYS = 1_825
const GOSSIP_KEY_BYTES = 32
/** In a folder of its own: what lies beside the configuration is read, or warned of. */
const MANAGEMENT_TOKEN_PATH = 'secrets/management-token'
const CLIENT_USES = 100
const SERVER_USES = 4

export const initCommand: CommandSpec = {
  summary: 'Make this host the first server of a secure cluster',
  usage: '',
  flags: [
    flag('datacenter', 'name', 'name of the datacenter (default: dc1)'),
    flag('domain', 'name', 'domain of the cluster (default: consul)'),
    flag('ttl', 'duration', 'how long the join tokens are good (default: 1h)'),
    toggle('start', 'start the service of this host when all is done (systemctl)'),
    ...HOST_FLAGS,
  ],
  run: async (args, context) => {
    const host = hostChoices(args)
    const datacenter = args.text('datacenter') ?? 'dc1'
    const domain = args.text('domain') ?? 'consul'
    await assertIsNew(host.configDir, host.dataDir)
    const before = new Set(await entriesOf(host.dataDir))
    const written = await writeHostFiles(
      host.configDir,
      await filesOf(host, { datacenter, domain }),
    )
    context.stderr(`✓ authority, certificate of this server and key of gossip: ${host.configDir}\n`)
    try {
      const config = await effectiveConfig(host.configDir)
      await makeDataFolder(host.dataDir)
      const made = await setUp(host, config, args, context)
      context.stderr('✓ cluster founded, access control on\n')
      if (args.bool('start')) await startService(context)
      report(host, made, args.bool('start'), context)
      return 0
    } catch (thrown) {
      const made = (await entriesOf(host.dataDir)).filter((name) => !before.has(name))
      const left = [
        ...written,
        join(host.configDir, MANAGEMENT_TOKEN_PATH),
        ...made.map((name) => join(host.dataDir, name)),
      ]
      await Promise.all(left.map((path) => rm(path, { recursive: true, force: true })))
      await rmdir(dirname(join(host.configDir, MANAGEMENT_TOKEN_PATH))).catch(() => undefined)
      throw thrown
    }
  },
}

/** Of a folder that may not be there. */
async function entriesOf(folder: string): Promise<readonly string[]> {
  try {
    return await readdir(folder)
  } catch (err) {
    if ((err as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw err
  }
}

async function filesOf(
  host: HostChoices,
  { datacenter, domain }: { readonly datacenter: string; readonly domain: string },
): Promise<readonly HostFile[]> {
  const now = systemClock.wall()
  const authority = await createAgentAuthority({
    commonName: '',
    onlyDomains: [],
    clusterUri: '',
    days: AUTHORITY_DAYS,
    now,
  })
  const names = namesOfRole('server', { datacenter, domain, node: host.node })
  const own = await createAgentCertificate({
    authority,
    role: 'server',
    commonName: names.commonName,
    dnsNames: names.dnsNames,
    ipAddresses: host.advertise === '' ? names.ips : [...names.ips, host.advertise],
    days: SERVER_CERTIFICATE_DAYS,
    now,
  })
  const text = configText('fairlead init', host, {
    isServer: true,
    datacenter,
    domain,
    retryJoin: [],
    gossipKey: randomBytes(GOSSIP_KEY_BYTES).toString('base64'),
    hasAcl: true,
    defaultPolicy: 'deny',
    agentToken: '',
    dnsToken: '',
  })
  return [
    { path: CA_PATH, text: authority.certPem, isPublic: true },
    { path: CA_KEY_PATH, text: authority.keyPem },
    { path: serverCertPath(host), text: own.certPem + own.keyPem },
    { path: 'init.hcl', text },
  ]
}

/** With what else is in the folder; said before anything runs. */
async function effectiveConfig(configDir: string): Promise<AgentConfig> {
  const { args: flags } = parseGoFlags([], [])
  const sources = { dev: false, flags, paths: [configDir], format: undefined, fragments: [] }
  const result = await loadConfig(sources, readHostFacts())
  if (!result.ok) {
    const text = result.problems.map((problem) => formatProblem(problem)).join('\n  ')
    const message = `The configuration would not do:\n  ${text}`
    throw new FairleadError('INVALID_CONFIG', message)
  }
  return result.loaded.config
}

interface Made {
  readonly clientToken: string
  readonly serverToken: string
  readonly tokenPath: string
  readonly ttl: string
}

async function setUp(
  host: HostChoices,
  config: AgentConfig,
  args: Arguments,
  context: CliContext,
): Promise<Made> {
  const owner = await serviceOwner()
  const ttl = args.text('ttl') ?? '1h'
  await using server = new FirstRun(
    {
      args: [`-config-dir=${host.configDir}`, '-bootstrap-expect=1'],
      owner,
      env: context.env,
    },
    systemClock,
  )
  const { args: none } = parseGoFlags([], [])
  const client = (token: string): ApiClient =>
    new ApiClient(none, {
      env: { CONSUL_HTTP_ADDR: apiAddress(config), CONSUL_HTTP_TOKEN: token },
    })
  const secret = await server.until('the first token', async (signal) => {
    const answer = await client('').put('/v1/acl/bootstrap', { signal })
    return (answer.json() as { readonly SecretID: string }).SecretID
  })
  const tokenPath = join(host.configDir, MANAGEMENT_TOKEN_PATH)
  await mkdir(dirname(tokenPath), { recursive: true, mode: 0o700 })
  await writeFileAtomic(tokenPath, `${secret}\n`, { durable: true })
  if (owner !== undefined) await chown(tokenPath, 0, 0)
  const api = client(secret)
  await server.until('the token of DNS', async (signal) => {
    const made = await api.put('/v1/acl/token', {
      signal,
      body: JSON.stringify({
        Description: `DNS of ${host.node}`,
        TemplatedPolicies: [{ TemplateName: 'builtin/dns' }],
      }),
    })
    const { SecretID } = made.json() as { readonly SecretID: string }
    const body = JSON.stringify({ Token: SecretID })
    return await api.put('/v1/agent/token/dns', { body, signal })
  })
  const joinToken = (role: string, uses: number): Promise<string> =>
    server.until(`the join token of ${role}s`, async (signal) => {
      const body = { Role: role, Uses: uses, TTL: ttl, Description: 'made by fairlead init' }
      const answer = await api.put('/v1/operator/join-token', {
        body: JSON.stringify(body),
        signal,
      })
      return (answer.json() as { readonly Token: string }).Token
    })
  const clientToken = await joinToken('client', CLIENT_USES)
  const serverToken = await joinToken('server', SERVER_USES)
  return { clientToken, serverToken, tokenPath, ttl }
}

function apiAddress({ httpAddresses, ports, http }: AgentConfig): string {
  const [address] = httpAddresses
  if (ports.http > 0 && address !== undefined) {
    const host = address === '0.0.0.0' ? '127.0.0.1' : address === '::' ? '::1' : address
    return `http://${host.includes(':') ? `[${host}]` : host}:${ports.http}`
  }
  const [socket] = http.sockets
  if (socket !== undefined) return `unix://${socket}`
  throw new FairleadError('INVALID_CONFIG', 'init needs the HTTP API of this server', {
    facts: { hint: 'set ports.http to a port; it may be closed again afterwards' },
  })
}

function report(host: HostChoices, made: Made, isStarted: boolean, context: CliContext): void {
  const start = isStarted
    ? []
    : [
        'Start this server:',
        '',
        `    systemctl enable --now fairlead     # or: fairlead agent -config-dir=${host.configDir}`,
        '',
      ]
  const lines = [
    '',
    ...start,
    `Then, within ${made.ttl}, on up to ${SERVER_USES} further servers (three or five in all bear a loss):`,
    '',
    `    fairlead join ${made.serverToken}`,
    '',
    `and on up to ${CLIENT_USES} other hosts:`,
    '',
    `    fairlead join ${made.clientToken}`,
    '',
    'More of them: fairlead join-token create',
    `What you do yourself needs a token: export CONSUL_HTTP_TOKEN_FILE=${made.tokenPath}`,
    'Put that file in a safe: it may do everything. For daily work make others (fairlead acl token create).',
    '',
  ]
  context.stdout(lines.join('\n'))
}
