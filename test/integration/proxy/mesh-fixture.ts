/**
 * Two data planes on loopback with real certificates, for the proxy's integration tests.
 *
 * `callee` has an inbound listener for the service payments; `caller` an outbound one for the service web. All
 * ports are chosen by the system. Everything made here is closed by `close`.
 */

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, connect, type Server, type Socket } from 'node:net'
import type { IntentionRecord } from '../../../core/catalog/types.ts'
import { silentLogger } from '../../../core/log.ts'
import type {
  Cluster,
  Endpoint,
  InboundListener,
  OutboundListener,
  ProxyIdentity,
  ProxyProtocol,
  ProxySnapshot,
} from '../../../core/mesh/proxy-snapshot.ts'
import { serviceSni, serviceSpiffeUri } from '../../../core/mesh/spiffe.ts'
import { seededRng } from '../../../core/rng.ts'
import { wallTime } from '../../../core/time.ts'
import { DataPlane } from '../../../proxy/data-plane.ts'
import { systemClock } from '../../../runtime/clock/system-clock.ts'
import { createKeyAndCsr, parseCsr } from '../../../runtime/pki/csr.ts'
import { generateEcKey } from '../../../runtime/pki/keys.ts'
import { LeafSigner } from '../../../runtime/pki/leaf-signer.ts'
import { createRootCertificate } from '../../../runtime/pki/root-certificate.ts'

export const TRUST_DOMAIN = '11111111-2222-3333-4444-555555555555.consul'
export const CLUSTER_ID = serviceSni(TRUST_DOMAIN, 'dc1', 'payments')
const HOUR_MS = 3_600_000

/** A CA that signs leaves for any identity. */
export class TestCa {
  readonly rootPem: string
  readonly #signer: LeafSigner
  #serial = 100

  private constructor(rootPem: string, signer: LeafSigner) {
    this.rootPem = rootPem
    this.#signer = signer
  }

  static async make(trustDomain = TRUST_DOMAIN): Promise<TestCa> {
    const key = await generateEcKey()
    const rootPem = await createRootCertificate({
      key,
      commonName: 'test root',
      trustDomain,
      serialNumber: 7,
      notBefore: wallTime(systemClock.wall() - HOUR_MS),
      ttlMs: 1000 * HOUR_MS,
    })
    return new TestCa(rootPem, await LeafSigner.open(rootPem, key))
  }

  async leaf(
    service: string,
    options: { readonly trustDomain?: string; readonly uri?: string; readonly ttlMs?: number } = {},
  ): Promise<ProxyIdentity> {
    const spiffeUri =
      options.uri ?? serviceSpiffeUri(options.trustDomain ?? TRUST_DOMAIN, 'dc1', service)
    const { csrPem, privateKeyPem } = await createKeyAndCsr({ uri: spiffeUri })
    const leaf = await this.#signer.sign({
      ...(await parseCsr(csrPem)),
      serialNumber: this.#serial++,
      now: systemClock.wall(),
      ttlMs: options.ttlMs ?? 72 * HOUR_MS,
    })
    return {
      id: `svc/${service}`,
      spiffeUri,
      certPem: leaf.certPem,
      keyPem: privateKeyPem,
      notAfter: leaf.notAfter,
    }
  }
}

let sharedCa: Promise<TestCa> | undefined

/** One CA for all tests of a file: keys cost time. */
export async function testCa(): Promise<TestCa> {
  sharedCa ??= TestCa.make()
  return await sharedCa
}

export function emptySnapshot(): ProxySnapshot {
  return {
    version: 1,
    datacenter: 'dc1',
    nodeName: 'vm-a',
    trustDomain: TRUST_DOMAIN,
    rootsPem: [],
    identities: [],
    inbound: [],
    outbound: [],
    callers: { services: [] },
    clusters: [],
  }
}

export function rule(
  sourceName: string,
  decision: Pick<IntentionRecord, 'action' | 'permissions'>,
): IntentionRecord {
  return {
    id: '',
    description: '',
    sourceName,
    destinationName: 'payments',
    ...decision,
    meta: {},
    precedence: 9,
    createdAt: 0,
    updatedAt: 0,
    createIndex: 1,
    modifyIndex: 1,
  }
}

export const allow = (source: string): IntentionRecord =>
  rule(source, { action: 'allow', permissions: [] })
export const deny = (source: string): IntentionRecord =>
  rule(source, { action: 'deny', permissions: [] })

export interface MeshOptions {
  readonly protocol?: ProxyProtocol
  readonly inboundProtocol?: ProxyProtocol
  readonly offerMux?: boolean
  readonly intentions?: readonly IntentionRecord[]
  readonly callerIdentity?: ProxyIdentity
  readonly callerRoots?: readonly string[]
  readonly inbound?: Partial<InboundListener>
}

/** A caller's and a callee's proxy with one service behind the latter. */
export class Mesh {
  readonly caller: DataPlane
  readonly callee: DataPlane
  callerSnapshot: ProxySnapshot
  calleeSnapshot: ProxySnapshot
  /** Port of the outbound listener. */
  port = 0
  /** Port of the inbound listener. */
  inboundPort = 0

  private constructor(
    caller: DataPlane,
    callee: DataPlane,
    snapshots: readonly [ProxySnapshot, ProxySnapshot],
  ) {
    this.caller = caller
    this.callee = callee
    this.callerSnapshot = snapshots[0]
    this.calleeSnapshot = snapshots[1]
  }

  /** @param appPort the application behind the service payments */
  static async start(appPort: number, options: MeshOptions = {}): Promise<Mesh> {
    const ca = await testCa()
    const deps = { clock: systemClock, rng: seededRng(1), log: silentLogger }
    const caller = new DataPlane({ offerMux: options.offerMux ?? true }, deps)
    const callee = new DataPlane({ offerMux: true }, deps)
    const callerSnapshot: ProxySnapshot = {
      ...emptySnapshot(),
      rootsPem: options.callerRoots ?? [ca.rootPem],
      identities: [options.callerIdentity ?? (await ca.leaf('web'))],
      outbound: [outboundListener(options.protocol ?? 'http')],
    }
    const calleeSnapshot: ProxySnapshot = {
      ...emptySnapshot(),
      rootsPem: [ca.rootPem],
      identities: [await ca.leaf('payments')],
      inbound: [
        {
          id: 'payments-sidecar',
          serviceName: 'payments',
          serviceId: 'payments',
          bind: { address: '127.0.0.1', port: 0 },
          identityId: 'svc/payments',
          protocol: options.inboundProtocol ?? options.protocol ?? 'http',
          target: { address: '127.0.0.1', port: appPort },
          connectTimeoutMs: 5000,
          maxConnections: 0,
          intentions: options.intentions ?? [],
          defaultAction: 'allow',
          ...options.inbound,
        },
      ],
    }
    const mesh = new Mesh(caller, callee, [callerSnapshot, calleeSnapshot])
    assert.deepEqual(await callee.configure(calleeSnapshot), [])
    mesh.inboundPort = portOf(callee, 'payments-sidecar')
    await mesh.setEndpoints([endpoint('vm-b/payments', mesh.inboundPort)])
    mesh.port = portOf(caller, 'upstream')
    return mesh
  }

  async setEndpoints(endpoints: readonly Endpoint[]): Promise<void> {
    await this.configureCaller({ clusters: [cluster(endpoints)] })
  }

  async setIntentions(intentions: readonly IntentionRecord[]): Promise<void> {
    const inbound = this.calleeSnapshot.inbound.map((each) => ({ ...each, intentions }))
    await this.configureCallee({ inbound })
  }

  async configureCaller(change: Partial<ProxySnapshot>): Promise<void> {
    const version = this.callerSnapshot.version + 1
    this.callerSnapshot = { ...this.callerSnapshot, ...change, version }
    assert.deepEqual(await this.caller.configure(this.callerSnapshot), [])
  }

  async configureCallee(change: Partial<ProxySnapshot>): Promise<void> {
    const version = this.calleeSnapshot.version + 1
    this.calleeSnapshot = { ...this.calleeSnapshot, ...change, version }
    assert.deepEqual(await this.callee.configure(this.calleeSnapshot), [])
  }

  close(): void {
    this.caller.stop()
    this.callee.stop()
  }
}

export function outboundListener(protocol: ProxyProtocol): OutboundListener {
  return {
    id: 'upstream',
    bind: { address: '127.0.0.1', port: 0 },
    clusterId: CLUSTER_ID,
    protocol,
    source: { kind: 'identity', identityId: 'svc/web' },
  }
}

export function endpoint(id: string, port: number, change: Partial<Endpoint> = {}): Endpoint {
  return { id, address: '127.0.0.1', port, weight: 1, healthy: true, ...change }
}

export function cluster(endpoints: readonly Endpoint[]): Cluster {
  return {
    id: CLUSTER_ID,
    serviceName: 'payments',
    sni: CLUSTER_ID,
    spiffeUris: [serviceSpiffeUri(TRUST_DOMAIN, 'dc1', 'payments')],
    endpoints,
    // In turn, so that a test can say where the next request goes.
    loadBalancer: { policy: 'round_robin', choices: 2, hashPolicies: [], panicPercent: 0 },
    connectTimeoutMs: 2000,
  }
}

export function portOf(plane: DataPlane, listenerId: string): number {
  const address = plane.listeners.address(listenerId)
  assert.ok(address !== null && typeof address === 'object')
  return address.port
}

export async function listening<S extends Server>(server: S): Promise<S> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return server
}

export function serverPort(server: Server): number {
  return (server.address() as AddressInfo).port
}

/** A raw client: writes what it is told and collects what comes. */
export class RawClient {
  readonly socket: Socket
  text = ''
  bytes = 0
  ended = false
  closed = false
  readonly #wakers = new Set<() => void>()

  constructor(port: number, options: { readonly keep?: boolean } = {}) {
    this.socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
    const wake = (): void => {
      for (const waker of [...this.#wakers]) waker()
    }
    this.socket.on('data', (chunk) => {
      this.bytes += chunk.length
      if (options.keep !== false) this.text += chunk.toString('latin1')
      wake()
    })
    this.socket.on('end', () => {
      this.ended = true
      wake()
    })
    this.socket.on('error', () => {})
    this.socket.on('close', () => {
      this.closed = true
      wake()
    })
  }

  send(text: string): void {
    this.socket.write(text, 'latin1')
  }

  /** Waits until `test` holds of what has arrived. */
  async until(test: (client: RawClient) => boolean): Promise<this> {
    if (test(this)) return this
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => {
        reject(new Error(`nothing more came; so far: ${JSON.stringify(this.text.slice(-400))}`))
      }, 8000)
      const waker = (): void => {
        if (!test(this)) return
        clearTimeout(timer)
        this.#wakers.delete(waker)
        resolve()
      }
      this.#wakers.add(waker)
    })
    return this
  }

  async untilText(part: string): Promise<this> {
    return await this.until((client) => client.text.includes(part))
  }

  async untilEnded(): Promise<this> {
    return await this.until((client) => client.ended || client.closed)
  }

  close(): void {
    this.socket.destroy()
  }
}

/** Waits until `test` holds, looking again whenever the event loop has turned. */
export async function eventually(test: () => boolean, what: string): Promise<void> {
  const deadline = performance.now() + 8000
  while (!test()) {
    if (performance.now() > deadline) throw new Error(`it never came to pass: ${what}`)
    await new Promise((resolve) => setImmediate(resolve))
  }
}
