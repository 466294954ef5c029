/**
 * A state store driven by short commands: every call takes the next index.
 */

import assert from 'node:assert/strict'
import type { AutopilotSettings } from '../../../../core/autopilot/types.ts'
import type {
  ApplyResult,
  ApplyValue,
  Command,
  KvOp,
  KvWrite,
  RegisterRequest,
  TxnOp,
} from '../../../../core/catalog/commands.ts'
import { StateStore } from '../../../../core/catalog/state-store.ts'
import type {
  CheckDefinition,
  CheckStatus,
  ServiceDefinition,
  SessionRecord,
} from '../../../../core/catalog/types.ts'
import type { ReadName, ReadReply, Reads } from '../../../../core/rpc/reads.ts'
import { wallTime } from '../../../../core/time.ts'

const ENCODER = new TextEncoder()

export function service(
  given: Partial<ServiceDefinition> & { service: string },
): ServiceDefinition {
  return {
    kind: '',
    id: given.service,
    tags: [],
    address: '',
    port: 8080,
    socketPath: '',
    taggedAddresses: {},
    meta: null,
    weights: { passing: 1, warning: 1 },
    enableTagOverride: false,
    connectNative: false,
    ...given,
  }
}

export function sidecar(
  destination: string,
  given: Partial<ServiceDefinition> = {},
): ServiceDefinition {
  return service({
    service: `${destination}-sidecar-proxy`,
    kind: 'connect-proxy',
    port: 21000,
    proxy: {
      destinationServiceName: destination,
      destinationServiceId: destination,
      localServiceAddress: '127.0.0.1',
      localServicePort: 8080,
      localServiceSocketPath: '',
      mode: '',
      config: null,
      upstreams: [],
      meshGatewayMode: '',
      exposeChecks: false,
      exposePaths: [],
    },
    ...given,
  })
}

export function check(
  checkId: string,
  status: CheckStatus,
  given: Partial<CheckDefinition> = {},
): CheckDefinition {
  return {
    checkId,
    name: checkId,
    status,
    notes: '',
    output: '',
    serviceId: '',
    serviceName: '',
    serviceTags: [],
    type: '',
    interval: '',
    timeout: '',
    exposedPort: 0,
    definition: {},
    ...given,
  }
}

export function registration(node: string, given: Partial<RegisterRequest> = {}): RegisterRequest {
  return {
    id: '',
    node,
    address: '10.0.0.1',
    taggedAddresses: null,
    meta: null,
    skipNodeUpdate: false,
    checks: [],
    ...given,
  }
}

export function kvWrite(key: string, value: string, given: Partial<KvWrite> = {}): KvWrite {
  return { key, value: ENCODER.encode(value), flags: 0n, session: '', ...given }
}

export function session(
  id: string,
  node: string,
  given: Partial<SessionRecord> = {},
): Omit<SessionRecord, 'createIndex' | 'modifyIndex'> {
  return {
    id,
    name: '',
    node,
    lockDelayMs: 15_000,
    behavior: 'release',
    ttlMs: 0,
    ttl: '',
    nodeChecks: [],
    serviceChecks: null,
    ...given,
  }
}

export const AUTOPILOT: AutopilotSettings = {
  cleanupDeadServers: true,
  lastContactThresholdMs: 200,
  maxTrailingLogs: 250,
  minQuorum: 0,
  serverStabilizationTimeMs: 10_000,
  redundancyZoneTag: '',
  disableUpgradeMigration: false,
  upgradeVersionTag: '',
}

export class Driver {
  readonly store: StateStore
  now = 1_700_000_000_000
  #index = 0

  constructor(store = new StateStore({ datacenter: 'dc1' })) {
    this.store = store
    this.#index = store.lastIndex
  }

  /** The index of the last command. */
  get index(): number {
    return this.#index
  }

  apply(command: Command): ApplyResult {
    this.#index += 1
    return this.store.apply(this.#index, command)
  }

  /** Applies a command that must succeed. @returns its value */
  ok(command: Command): ApplyValue {
    const result = this.apply(command)
    assert.ok(result.ok, result.ok ? '' : JSON.stringify(result))
    return result.value
  }

  /** Applies a command that must be refused. @returns the text */
  refused(command: Command): string {
    const before = this.image()
    const result = this.apply(command)
    assert.ok(!result.ok, 'expected a refusal')
    assert.equal(this.image().replace(/"lastIndex":\d+/, ''), before.replace(/"lastIndex":\d+/, ''))
    return result.code === 'TXN_FAILED' ? JSON.stringify(result.errors) : result.message
  }

  register(node: string, given: Partial<RegisterRequest> = {}): Command {
    return { kind: 'register', request: registration(node, given), now: wallTime(this.now) }
  }

  deregister(node: string, given: { serviceId?: string; checkId?: string } = {}): Command {
    return { kind: 'deregister', request: { node, ...given }, now: wallTime(this.now) }
  }

  kv(op: KvOp): Command {
    return { kind: 'kv', op, now: wallTime(this.now) }
  }

  txn(ops: readonly TxnOp[]): Command {
    return { kind: 'txn', ops, now: wallTime(this.now) }
  }

  destroy(id: string): Command {
    return { kind: 'session.destroy', id, now: wallTime(this.now) }
  }

  read<N extends ReadName>(name: N, request: Reads[N]['request']): ReadReply<N> {
    return this.store.read(name, request).value
  }

  indexOf<N extends ReadName>(name: N, request: Reads[N]['request']): number {
    return this.store.read(name, request).index
  }

  image(): string {
    return imageText(this.store)
  }
}

export function imageText(store: StateStore): string {
  return Buffer.concat([...store.snapshot().image()]).toString()
}
