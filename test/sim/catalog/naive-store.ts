/**
 * The catalog, KV and sessions written down as plainly as possible: arrays, searched from the front, copied
 * before each command. What the real store is compared with.
 */

import type { Command, KvOp, RegisterRequest } from '../../../core/catalog/commands.ts'
import { destinationOf } from '../../../core/catalog/instances.ts'
import type {
  CheckDefinition,
  CheckRecord,
  KvEntry,
  NodeRecord,
  ServiceDefinition,
  ServiceRecord,
  SessionRecord,
} from '../../../core/catalog/types.ts'

type Mutable<T> = { -readonly [K in keyof T]: T[K] }

interface Tables {
  nodes: Mutable<NodeRecord>[]
  services: ServiceRecord[]
  checks: CheckRecord[]
  kv: Mutable<KvEntry>[]
  sessions: SessionRecord[]
  delays: { key: string; until: number }[]
  /** Name (lower case) → offset; kept apart from the records, as the model gives out what is free. */
  offsets: Map<string, number>
  highest: number
  clock: number
}

export type NaiveResult = { readonly value: unknown } | { readonly refused: string }

class Refused extends Error {}

export class NaiveStore {
  tables: Tables = {
    nodes: [],
    services: [],
    checks: [],
    kv: [],
    sessions: [],
    delays: [],
    offsets: new Map(),
    highest: 0,
    clock: 0,
  }
  #index = 0

  apply(index: number, command: Command): NaiveResult {
    this.#index = index
    const before = structuredClone(this.tables)
    try {
      if ('now' in command && command.now !== undefined) {
        this.tables.clock = Math.max(this.tables.clock, command.now)
      }
      const value = this.#run(command)
      this.#freeOffsets()
      return { value }
    } catch (thrown) {
      this.tables = before
      if (thrown instanceof Refused) return { refused: thrown.message }
      throw thrown
    }
  }

  #run(command: Command): unknown {
    switch (command.kind) {
      case 'register':
        this.#register(command.request)
        return true
      case 'deregister': {
        const { node, serviceId, checkId } = command.request
        if (serviceId !== undefined) this.#deleteService(node, serviceId)
        else if (checkId !== undefined) this.#deleteCheck(node, checkId)
        else this.#deleteNode(node)
        return true
      }
      case 'kv':
        return this.#kv(command.op)
      case 'session.create':
        return this.#createSession(command.session)
      case 'session.destroy':
        this.#endSessions((one) => one.id === command.id)
        return true
      default:
        throw new Error(`the model does not know ${command.kind}`)
    }
  }

  #register(request: RegisterRequest): void {
    if (request.address === '' && !request.skipNodeUpdate) {
      throw new Refused('Must provide address if SkipNodeUpdate is not set')
    }
    this.#checkConnect(request.service)
    const held = this.tables.nodes.find((one) => same(one.node, request.node))
    if (held === undefined || !request.skipNodeUpdate) this.#ensureNode(request)
    if (request.service !== undefined) this.#ensureService(request.node, request.service)
    for (const check of request.checks) this.#ensureCheck(request.node, check)
  }

  #checkConnect(service: ServiceDefinition | undefined): void {
    if (service?.connectNative && service.kind !== '') throw new Error('not generated')
  }

  #ensureNode(request: RegisterRequest): void {
    const index = this.#index
    let createIndex = index
    const named = this.tables.nodes.find((one) => same(one.node, request.node))
    if (named !== undefined) createIndex = named.createIndex
    if (request.id !== '') {
      const serf = this.#checksOn(request.node).find((one) => one.checkId === 'serfHealth')
      const isLive = serf !== undefined && serf.status !== 'critical'
      if (named !== undefined && named.id !== '' && named.id !== request.id && isLive) {
        throw new Refused(
          `failed inserting node: Error while renaming Node ID: "${request.id}": Node name ${request.node} is reserved by node ${named.id} with name ${named.node} (${named.address})`,
        )
      }
      const old = this.tables.nodes.find((one) => one.id === request.id)
      if (old !== undefined && !same(old.node, request.node)) {
        createIndex = old.createIndex
        this.#deleteNode(old.node)
      }
    }
    const wanted = {
      id: request.id === '' ? (named?.id ?? '') : request.id,
      node: request.node,
      address: request.address,
    }
    if (named === undefined) {
      this.tables.nodes.push({
        ...wanted,
        datacenter: 'dc1',
        taggedAddresses: null,
        meta: null,
        createIndex,
        modifyIndex: index,
      })
      return
    }
    const isSame =
      named.id === wanted.id &&
      named.node === wanted.node &&
      named.address === wanted.address &&
      named.createIndex === createIndex
    if (!isSame) Object.assign(named, wanted, { createIndex, modifyIndex: index })
  }

  #ensureService(node: string, definition: ServiceDefinition): void {
    const record = this.tables.nodes.find((one) => same(one.node, node))
    const existing = this.#servicesOn(node).find((one) => one.id === definition.id)
    const destination = destinationOf(definition)
    const taggedAddresses = { ...definition.taggedAddresses }
    if (destination !== undefined) {
      const address = `240.0.0.${this.#offsetOf(destination)}`
      taggedAddresses['consul-virtual'] = { address, port: definition.port }
    }
    const wanted = { ...definition, taggedAddresses, node: record?.node ?? '' }
    const createIndex = existing?.createIndex ?? this.#index
    const modifyIndex = existing?.modifyIndex ?? this.#index
    if (
      existing !== undefined &&
      text({ ...wanted, createIndex, modifyIndex }) === text(existing)
    ) {
      return
    }
    this.tables.services = this.tables.services.filter((one) => one !== existing)
    this.tables.services.push({ ...wanted, createIndex, modifyIndex: this.#index })
    for (const check of this.#checksOn(node).filter((one) => one.serviceId === definition.id)) {
      const fresh = { ...check, serviceName: definition.service, serviceTags: definition.tags }
      if (text(fresh) !== text(check)) this.#putCheck({ ...fresh, modifyIndex: this.#index })
    }
  }

  #ensureCheck(node: string, definition: CheckDefinition): void {
    const { serviceId, checkId } = definition
    const service = this.#servicesOn(node).find((one) => one.id === serviceId)
    if (serviceId !== '' && service === undefined) {
      throw new Refused(`Unknown service ID '${serviceId}' for check ID '${checkId}'`)
    }
    const existing = this.#checksOn(node).find((one) => one.checkId === checkId)
    const wanted: CheckRecord = {
      ...definition,
      node: this.tables.nodes.find((one) => same(one.node, node))?.node ?? '',
      serviceName: service?.service ?? '',
      serviceTags: service?.tags ?? [],
      createIndex: existing?.createIndex ?? this.#index,
      modifyIndex: existing?.modifyIndex ?? this.#index,
    }
    if (existing === undefined || text(existing) !== text(wanted)) {
      this.#putCheck({ ...wanted, modifyIndex: this.#index })
    }
    if (wanted.status === 'critical') this.#endBound(node, checkId)
  }

  #putCheck(record: CheckRecord): void {
    this.tables.checks = this.tables.checks.filter(
      (one) => !(same(one.node, record.node) && one.checkId === record.checkId),
    )
    this.tables.checks.push(record)
  }

  #deleteNode(node: string): void {
    for (const one of this.#servicesOn(node)) this.#deleteService(node, one.id)
    for (const one of this.#checksOn(node)) this.#deleteCheck(node, one.checkId)
    this.#endSessions((one) => same(one.node, node))
    this.tables.nodes = this.tables.nodes.filter((one) => !same(one.node, node))
  }

  #deleteService(node: string, id: string): void {
    if (!this.#servicesOn(node).some((one) => one.id === id)) return
    for (const one of this.#checksOn(node)) {
      if (one.serviceId === id) this.#deleteCheck(node, one.checkId)
    }
    this.tables.services = this.tables.services.filter(
      (one) => !(same(one.node, node) && one.id === id),
    )
  }

  #deleteCheck(node: string, checkId: string): void {
    this.tables.checks = this.tables.checks.filter(
      (one) => !(same(one.node, node) && one.checkId === checkId),
    )
    this.#endBound(node, checkId)
  }

  #createSession(given: Omit<SessionRecord, 'createIndex' | 'modifyIndex'>): string {
    if (this.tables.sessions.some((one) => one.id === given.id)) {
      throw new Refused(`Session '${given.id}' already exists`)
    }
    if (!this.tables.nodes.some((one) => same(one.node, given.node))) {
      throw new Refused('Missing node registration')
    }
    for (const id of given.nodeChecks) {
      const check = this.#checksOn(given.node).find((one) => one.checkId === id)
      if (check === undefined) throw new Refused(`Missing check '${id}' registration`)
      if (check.status === 'critical' && check.type !== 'session') {
        throw new Refused(`Check '${id}' is in critical state`)
      }
    }
    this.tables.sessions.push({ ...given, createIndex: this.#index, modifyIndex: this.#index })
    for (const check of this.#following(given.node, given.name)) {
      const output = `Session '${given.id}' in force`
      this.#putCheck({ ...check, status: 'passing', output, modifyIndex: this.#index })
    }
    return given.id
  }

  #endBound(node: string, checkId: string): void {
    this.#endSessions((one) => same(one.node, node) && one.nodeChecks.includes(checkId))
  }

  #endSessions(isConcerned: (session: SessionRecord) => boolean): void {
    for (;;) {
      const [session] = this.tables.sessions.filter(isConcerned).sort(byId)
      if (session === undefined) return
      this.tables.sessions = this.tables.sessions.filter((one) => one !== session)
      for (const entry of this.tables.kv.filter((one) => one.session === session.id)) {
        if (session.behavior === 'delete') {
          this.tables.kv = this.tables.kv.filter((one) => one !== entry)
        } else {
          entry.session = ''
          entry.modifyIndex = this.#index
        }
        if (session.lockDelayMs === 0) continue
        this.tables.delays = this.tables.delays.filter((one) => one.key !== entry.key)
        const until = this.tables.clock + session.lockDelayMs
        this.tables.delays.push({ key: entry.key, until })
      }
      const output = `Session '${session.id}' is invalid`
      const changed = this.#following(session.node, session.name).filter(
        (check) => check.status !== 'critical' || check.output !== output,
      )
      for (const check of changed) {
        this.#putCheck({ ...check, status: 'critical', output, modifyIndex: this.#index })
      }
      for (const check of changed) this.#endBound(session.node, check.checkId)
    }
  }

  #following(node: string, name: string): CheckRecord[] {
    if (name === '') return []
    return this.#checksOn(node)
      .filter((one) => one.type === 'session' && one.definition['SessionName'] === name)
      .sort((a, b) => (a.checkId < b.checkId ? -1 : 1))
  }

  #kv(op: KvOp): boolean {
    const key = 'entry' in op ? op.entry.key : op.key
    const existing = this.tables.kv.find((one) => one.key === key)
    switch (op.verb) {
      case 'delete-cas':
        if (existing !== undefined && existing.modifyIndex !== op.index) return false
        this.tables.kv = this.tables.kv.filter((one) => one !== existing)
        return true
      case 'delete':
        this.tables.kv = this.tables.kv.filter((one) => one !== existing)
        return true
      case 'delete-tree':
        this.tables.kv = this.tables.kv.filter((one) => !one.key.startsWith(key))
        return true
      case 'cas':
        if ((existing?.modifyIndex ?? 0) !== op.index) return false
        return this.#write(existing, op.entry, existing?.session ?? '', 0)
      case 'set':
        return this.#write(existing, op.entry, existing?.session ?? '', 0)
      case 'lock': {
        const { session } = op.entry
        if (this.tables.delays.some((one) => one.key === key && one.until > this.tables.clock)) {
          return false
        }
        if (session === '') throw new Refused('missing session')
        if (!this.tables.sessions.some((one) => one.id === session)) {
          throw new Refused(`invalid session "${session}"`)
        }
        const holder = existing?.session ?? ''
        if (holder !== '' && holder !== session) return false
        return this.#write(existing, op.entry, session, holder === '' ? 1 : 0)
      }
      case 'unlock':
        if (op.entry.session === '') throw new Refused('missing session')
        if (existing?.session !== op.entry.session) return false
        return this.#write(existing, op.entry, '', 0)
    }
  }

  #write(
    existing: Mutable<KvEntry> | undefined,
    entry: { key: string; value: Uint8Array; flags: bigint },
    session: string,
    lockStep: number,
  ): boolean {
    const { key, value, flags } = entry
    const wanted = { value, flags, session, lockIndex: (existing?.lockIndex ?? 0) + lockStep }
    if (existing === undefined) {
      this.tables.kv.push({ key, ...wanted, createIndex: this.#index, modifyIndex: this.#index })
      return true
    }
    const isSame =
      Buffer.compare(existing.value, value) === 0 &&
      existing.flags === flags &&
      existing.session === session &&
      lockStep === 0
    if (!isSame) Object.assign(existing, wanted, { modifyIndex: this.#index })
    return true
  }

  #offsetOf(name: string): number {
    const key = name.toLowerCase()
    const known = this.tables.offsets.get(key)
    if (known !== undefined) return known
    const taken = new Set(this.tables.offsets.values())
    let offset = 1
    while (taken.has(offset)) offset += 1
    this.tables.offsets.set(key, offset)
    this.tables.highest = Math.max(this.tables.highest, offset)
    return offset
  }

  #freeOffsets(): void {
    for (const key of this.tables.offsets.keys()) {
      const isUsed = this.tables.services.some(
        (one) => same(one.service, key) || same(destinationOf(one) ?? '', key),
      )
      if (!isUsed) this.tables.offsets.delete(key)
    }
  }

  #servicesOn(node: string): ServiceRecord[] {
    return this.tables.services.filter((one) => same(one.node, node))
  }

  #checksOn(node: string): CheckRecord[] {
    return this.tables.checks.filter((one) => same(one.node, node))
  }
}

function byId(a: SessionRecord, b: SessionRecord): number {
  return a.id < b.id ? -1 : 1
}

function same(a: string, b: string): boolean {
  return a.toLowerCase() === b.toLowerCase()
}

function text(value: object): string {
  return JSON.stringify(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
}
