/**
 * An agent's HTTP API on a free port of loopback over real parts: server, local state, leaves.
 *
 * Anti-entropy is a one-way push here, enough for what was registered to be in the catalog.
 */

import { request as httpRequest } from 'node:http'
import { createHttpApi, type HttpApi, type HttpApiDeps } from '../../../../agent/http/server.ts'
import { LocalState } from '../../../../agent/local/local-state.ts'
import { MeshLeafSource } from '../../../../agent/mesh/leaf-source.ts'
import { LeafStore } from '../../../../agent/mesh/leaf-store.ts'
import { PreparedQueries } from '../../../../agent/queries/prepared-queries.ts'
import { SubscribedViews } from '../../../../agent/view/catalog-views.ts'
import { createAgentAcl, createTokens } from '../../../../cli/agent/agent-acl.ts'
import type { AgentConfig } from '../../../../core/config/model.ts'
import { type Logger, silentLogger } from '../../../../core/log.ts'
import { unrecordedMetrics } from '../../../../core/metrics/metrics.ts'
import { seededRng } from '../../../../core/rng.ts'
import type { ServerApi } from '../../../../core/rpc/server-api.ts'
import { systemClock } from '../../../../runtime/clock/system-clock.ts'
import { Telemetry } from '../../../../runtime/metrics/telemetry.ts'
import { readCertificate } from '../../../../runtime/pki/certificate.ts'
import { createKeyAndCsr } from '../../../../runtime/pki/csr.ts'
import { createServer } from '../../../../server/server.ts'
import { HandMembership, member, NODE_ID, serverConfig } from '../../server/running-server.ts'

export { CLUSTER_ID, NODE_ID } from '../../server/running-server.ts'

export const BUILD = {
  version: '1.21.4',
  revision: '0123abcd',
  date: '2026-01-10T12:00:00Z',
  fairleadVersion: '0.1.0',
}

export interface RunningAgent extends AsyncDisposable {
  readonly api: HttpApi
  readonly port: number
  readonly servers: ServerApi
  readonly local: LocalState
  readonly membership: HandMembership
  /** Errors that were logged: none are expected. */
  readonly errors: unknown[]
  get(path: string, headers?: Readonly<Record<string, string>>): Promise<Answer>
  put(path: string, body?: string | Uint8Array | object): Promise<Answer>
  send(method: string, path: string, options?: SendOptions): Promise<Answer>
}

export interface SendOptions {
  readonly body?: string | Uint8Array | object
  readonly headers?: Readonly<Record<string, string>>
  readonly signal?: AbortSignal
}

export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  /** As received: name, value, name, value. */
  readonly rawHeaders: readonly string[]
  readonly bytes: Buffer
  readonly text: string
  json(): unknown
}

export async function startAgent(
  change: Partial<AgentConfig> = {},
  deps: Partial<HttpApiDeps> & {
    /** Stands between the API and the server, to look at what passes. */
    readonly watchServers?: (servers: ServerApi) => ServerApi
    /** As a client agent, the API answers from views, whose feeds are watched as well. */
    readonly isClient?: boolean
  } = {},
): Promise<RunningAgent> {
  const { watchServers = (servers) => servers, isClient = false, ...hooks } = deps
  const base = serverConfig()
  const config = {
    ...base,
    devMode: false,
    ports: { ...base.ports, http: 0 },
    ...change,
  }
  const rng = seededRng(1)
  const errors: unknown[] = []
  const log = recordingLog(errors)
  const membership = new HandMembership([member('n1', { tags: { role: 'consul', dc: 'dc1' } })])
  const shared = { clock: systemClock, rng, log, metrics: unrecordedMetrics }
  // A server without a data directory is a dev server; whether answers are indented is the API's matter.
  const server = createServer(
    { ...config, devMode: true },
    { ...shared, membership, version: '1.21.4', onFatal: (error) => errors.push(error) },
  )
  const signal = new AbortController().signal
  await server.start(signal)
  const servers = server.api
  const local = localState(config, log)
  local.bindSync(() => push(local, servers))
  await local.start(signal)
  const watched = watchServers(servers)
  const views = new SubscribedViews({ ...shared, servers: isClient ? watched : servers })
  const leaves = new LeafStore({
    spreadMs: 30_000,
    ...shared,
    servers,
    makeKey,
    authorityOf: (certPem) => readCertificate(certPem).authorityKeyId,
  })
  const acl = createAgentAcl(config, createTokens(config, log), { ...shared, servers })
  const api = createHttpApi(
    { config, build: BUILD },
    {
      ...shared,
      logLines: { follow: () => () => {} },
      telemetry: new Telemetry({ config: config.telemetry, hostname: 'vm-a' }, shared),
      servers: watched,
      ...(isClient ? { views } : {}),
      ...(acl === undefined ? {} : { acl }),
      local,
      membership,
      queries: new PreparedQueries(config, { ...shared, servers: watched }),
      leaves: new MeshLeafSource(config.datacenter, leaves, views),
      ...hooks,
    },
  )
  const stop = async (): Promise<void> => {
    await api.stop()
    await leaves.stop()
    await views.stop()
    await local.stop()
    await server.stop()
  }
  try {
    await api.start(signal)
  } catch (thrown) {
    await stop()
    throw thrown
  }
  const port = Number(api.addresses[0]?.split(':').at(-1) ?? 0)
  const send: RunningAgent['send'] = (method, path, options) => request(port, method, path, options)
  return {
    api,
    port,
    servers,
    local,
    membership,
    errors,
    send,
    get: (path, headers = {}) => send('GET', path, { headers }),
    put: (path, body = '') => send('PUT', path, { body }),
    [Symbol.asyncDispose]: stop,
  }
}

function localState(config: AgentConfig, log: Logger): LocalState {
  return new LocalState(
    {
      nodeName: config.nodeName,
      nodeId: NODE_ID,
      nodeMeta: config.nodeMeta,
      sidecarPorts: { min: config.ports.sidecarMin, max: config.ports.sidecarMax },
      scripts: { enableScripts: false, enableLocalScripts: false },
      definitions: { services: [], checks: [] },
      outputMaxSize: 4096,
      discardOutput: false,
    },
    { clock: systemClock, log },
  )
}

async function makeKey(uri: string): Promise<{ keyPem: string; csrPem: string }> {
  const { privateKeyPem, csrPem } = await createKeyAndCsr({ uri })
  return { keyPem: privateKeyPem, csrPem }
}

/** Writes what is registered here into the catalog, and takes out what no longer is. */
async function push(local: LocalState, servers: ServerApi): Promise<void> {
  const node = { id: NODE_ID, node: local.nodeName, address: '127.0.0.1' }
  const rest = { taggedAddresses: null, meta: local.nodeMeta(), skipNodeUpdate: false }
  const known = await servers.read('catalog.node', { node: local.nodeName })
  for (const { id } of known.value?.services ?? []) {
    if (id === 'consul' || local.services().has(id)) continue
    await servers.write({ kind: 'deregister', request: { node: local.nodeName, serviceId: id } })
  }
  for (const { checkId } of known.value?.checks ?? []) {
    if (checkId === 'serfHealth' || local.checks().has(checkId)) continue
    await servers.write({ kind: 'deregister', request: { node: local.nodeName, checkId } })
  }
  for (const { service } of local.services().values()) {
    await servers.write({ kind: 'register', request: { ...node, ...rest, service, checks: [] } })
  }
  const checks = [...local.checks().values()].map(({ check }) => check)
  await servers.write({ kind: 'register', request: { ...node, ...rest, checks } })
}

/** Node says nothing of the body of a DELETE by itself. */
function lengthOf(
  method: string,
  payload: string | Uint8Array | undefined,
): Readonly<Record<string, string>> {
  if (payload === undefined || method !== 'DELETE') return {}
  return { 'Content-Length': String(Buffer.byteLength(payload)) }
}

function request(
  port: number,
  method: string,
  path: string,
  options: SendOptions = {},
): Promise<Answer> {
  const { body, headers, signal } = options
  const payload =
    typeof body === 'object' && !(body instanceof Uint8Array) ? JSON.stringify(body) : body
  return new Promise((resolve, reject) => {
    const outgoing = httpRequest(
      {
        host: '127.0.0.1',
        port,
        method,
        path,
        headers: { ...lengthOf(method, payload), ...headers },
        agent: false,
        ...(signal === undefined ? {} : { signal }),
      },
      (response) => {
        const chunks: Buffer[] = []
        response.on('data', (chunk: Buffer) => chunks.push(chunk))
        response.on('error', reject)
        response.on('end', () => {
          const bytes = Buffer.concat(chunks)
          resolve({
            status: response.statusCode ?? 0,
            headers: response.headers,
            rawHeaders: response.rawHeaders,
            bytes,
            text: bytes.toString('utf8'),
            json: () => JSON.parse(bytes.toString('utf8')),
          })
        })
      },
    )
    outgoing.on('error', reject)
    outgoing.end(payload)
  })
}

function recordingLog(errors: unknown[]): Logger {
  return {
    ...silentLogger,
    error: (message, facts) => errors.push({ message, ...facts }),
    child: () => recordingLog(errors),
  }
}
