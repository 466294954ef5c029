/**
 * The servers' API on behalf of one secret: refuses and filters as its token says (http-api.md 24).
 *
 * Guarantees: every call of the API passes here when access control is on; what is read after a wait is judged by
 * the rights of that moment; a secret that this server does not know yet is looked for with the leader before it is
 * called unknown. Rights are those of core/acl/; nothing is decided here that is not said there.
 */

import { assertAllowed, type Bearer, isAnonymous, tokenNotFound } from '../../core/acl/denial.ts'
import { checkRead, seeRead, seeTxnResults } from '../../core/acl/read-rights.ts'
import type { ResolvedToken } from '../../core/acl/records.ts'
import type { Access, Resource } from '../../core/acl/rule.ts'
import { checkWrite, txnDenials } from '../../core/acl/write-rights.ts'
import type { Command, TxnResult } from '../../core/catalog/commands.ts'
import type { FeedPosition, TopicKey } from '../../core/catalog/feed.ts'
import type { StateReader } from '../../core/catalog/store-api.ts'
import type { CoordinateRecord, SessionRecord } from '../../core/catalog/types.ts'
import { FairleadError } from '../../core/errors.ts'
import { parseSpiffeUri } from '../../core/mesh/spiffe.ts'
import type { OperatorCalls, OperatorName, StateImage } from '../../core/rpc/operator.ts'
import type { ReadName, ReadReply, Reads } from '../../core/rpc/reads.ts'
import type {
  ReadOptions,
  ReadResult,
  ServerApi,
  ServerStatus,
  SignedLeaf,
  Subscription,
  WriteOptions,
  WriteResult,
} from '../../core/rpc/server-api.ts'
import { parseCsr } from '../../runtime/pki/csr.ts'
import type { AclAuthority } from './authority.ts'

const OPERATOR_RIGHTS: Readonly<
  Record<OperatorName, { readonly resource: Resource; readonly access: Access } | undefined>
> = {
  'raft.configuration': { resource: 'operator', access: 'read' },
  'raft.remove-peer': { resource: 'operator', access: 'write' },
  'raft.transfer-leader': { resource: 'operator', access: 'write' },
  'autopilot.config': { resource: 'operator', access: 'read' },
  'autopilot.config.set': { resource: 'operator', access: 'write' },
  'autopilot.state': { resource: 'operator', access: 'read' },
  'acl.bootstrap': undefined,
  'acl.login': undefined,
  'acl.logout': undefined,
  // Authorities are no secret; who joins has a secret of his own.
  'join.authorities': undefined,
  'join.redeem': undefined,
}

export interface GuardedServerApiDeps {
  readonly servers: ServerApi
  readonly authority: AclAuthority
  readonly store: Pick<StateReader, 'read' | 'acl'>
}

export class GuardedServerApi implements ServerApi {
  readonly #secret: () => string
  readonly #deps: GuardedServerApiDeps

  constructor(secret: () => string, deps: GuardedServerApiDeps) {
    this.#secret = secret
    this.#deps = deps
  }

  as(secret: () => string): ServerApi {
    return new GuardedServerApi(secret, this.#deps)
  }

  async read<N extends ReadName>(
    name: N,
    request: Reads[N]['request'],
    options?: ReadOptions,
  ): Promise<ReadResult<N>> {
    const { servers, authority } = this.#deps
    const before = await this.#bearer(options?.signal)
    if (name === 'acl.resolve') return this.#resolved(before) as ReadResult<N>
    checkRead(name, before, request, authority.options)
    const denials = this.#deniedReads(name, request, before)
    if (denials !== undefined) return denials as ReadResult<N>
    if (name === 'acl.token.self') return (await this.#self(before, options)) as ReadResult<N>
    const result = await servers.read(name, request, options)
    const bearer = this.#readerOf(name, request)
    // It may have waited long: who lost the right meanwhile is not told what came.
    if (bearer !== before) checkRead(name, bearer, request, authority.options)
    const seen = seeRead(name, result.value, bearer, request)
    if (!seen.isFiltered) return { ...result, value: seen.value }
    return { ...result, value: seen.value, ...(isAnonymous(bearer) ? {} : { isFiltered: true }) }
  }

  async write(command: Command, options?: WriteOptions): Promise<WriteResult> {
    const bearer = await this.#bearer(options?.signal)
    const { servers, store } = this.#deps
    // Another's name must not be taken over because this server is behind.
    await this.#catchUp(options?.signal)
    if (command.kind === 'txn') {
      const txnErrors = txnDenials(command.ops, bearer, store)
      if (txnErrors.length > 0) return { ok: false, index: 0, txnErrors }
    } else {
      checkWrite(command, bearer, store)
    }
    const result = await servers.write(command, options)
    if (command.kind !== 'txn' || !result.ok || !Array.isArray(result.value)) return result
    const seen = seeTxnResults(result.value as readonly TxnResult[], bearer.authorizer)
    return { ...result, value: seen.value }
  }

  /** For agents elsewhere the rights are asked where the stream ends (server/feeds/). */
  subscribe(topic: TopicKey, from?: FeedPosition): Subscription {
    return this.#deps.servers.subscribe(topic, from)
  }

  async signLeaf(csrPem: string, signal?: AbortSignal): Promise<SignedLeaf> {
    const bearer = await this.#bearer(signal)
    const { uri } = await parseCsr(csrPem)
    assertMaySign(uri, bearer)
    return this.#deps.servers.signLeaf(csrPem, signal)
  }

  async renewSession(id: string, signal?: AbortSignal): Promise<SessionRecord | null> {
    const bearer = await this.#bearer(signal)
    const session = this.#deps.store.read('session.get', { id }).value
    if (session !== null) assertAllowed(bearer, 'session', 'write', session.node)
    const renewed = await this.#deps.servers.renewSession(id, signal)
    // One that this server did not know yet.
    if (renewed !== null) assertAllowed(bearer, 'session', 'write', renewed.node)
    return renewed
  }

  async placeNode(place: CoordinateRecord, signal?: AbortSignal): Promise<void> {
    assertAllowed(await this.#bearer(signal), 'node', 'write', place.node)
    await this.#deps.servers.placeNode(place, signal)
  }

  async status(signal?: AbortSignal): Promise<ServerStatus> {
    return this.#deps.servers.status(signal)
  }

  async operate<N extends OperatorName>(
    name: N,
    request: OperatorCalls[N]['request'],
    signal?: AbortSignal,
  ): Promise<OperatorCalls[N]['reply']> {
    if (name === 'acl.logout') {
      await this.#logout(signal)
      return null as OperatorCalls[N]['reply']
    }
    const right = OPERATOR_RIGHTS[name]
    if (right !== undefined) assertAllowed(await this.#bearer(signal), right.resource, right.access)
    return this.#deps.servers.operate(name, request, signal)
  }

  async #logout(signal: AbortSignal | undefined): Promise<void> {
    const { accessorId } = await this.#bearer(signal)
    await this.#catchUp(signal)
    const token = this.#deps.store.acl().tokenByAccessor(accessorId)
    if (token === undefined) throw tokenNotFound()
    if (token.authMethod === '') {
      throw new FairleadError(
        'PERMISSION_DENIED',
        "Permission denied: token wasn't created via login",
      )
    }
    await this.#deps.servers.write(
      { kind: 'acl.token.delete', accessorId },
      signal === undefined ? {} : { signal },
    )
  }

  async saveImage(options: {
    readonly stale: boolean
    readonly signal?: AbortSignal
  }): Promise<StateImage> {
    assertAllowed(await this.#bearer(options.signal), 'acl', 'write')
    return this.#deps.servers.saveImage(options)
  }

  async restoreImage(chunks: AsyncIterable<Uint8Array>, signal?: AbortSignal): Promise<void> {
    assertAllowed(await this.#bearer(signal), 'acl', 'write')
    await this.#deps.servers.restoreImage(chunks, signal)
  }

  /** @throws FairleadError PERMISSION_DENIED */
  async #bearer(signal: AbortSignal | undefined): Promise<Bearer & ResolvedToken> {
    const { authority } = this.#deps
    const secret = this.#secret()
    const known = authority.find(secret)
    if (known !== undefined) return known
    // Made a moment ago, it may not have come here yet.
    await this.#catchUp(signal)
    return authority.bearerOf(secret)
  }

  /** A read of the cheapest kind: after it this server is as far as the leader was. */
  async #catchUp(signal: AbortSignal | undefined): Promise<void> {
    await this.#deps.servers.read('autopilot.config', {}, signal === undefined ? {} : { signal })
  }

  /** Whose rights count for what was read: those of a prepared query where it has a token of its own. */
  #readerOf<N extends ReadName>(name: N, request: Reads[N]['request']): Bearer {
    const { authority, store } = this.#deps
    const caller = authority.bearerOf(this.#secret())
    if (name !== 'health.service') return caller
    const { viaQuery, service } = request as Reads['health.service']['request']
    if (viaQuery === undefined) return caller
    const { value } = store.read('query.resolve', { nameOrId: viaQuery })
    const isIt = value.kind === 'query' && value.query.service.service === service
    if (!isIt || value.query.token === '') return caller
    return authority.bearerOf(value.query.token)
  }

  /** Assertions of a transaction tell what is there, also where they only fail. */
  #deniedReads<N extends ReadName>(
    name: N,
    request: Reads[N]['request'],
    bearer: Bearer,
  ): ReadResult<'txn.read'> | undefined {
    if (name !== 'txn.read') return undefined
    const { ops } = request as Reads['txn.read']['request']
    const errors = txnDenials(ops, bearer, this.#deps.store)
    if (errors.length === 0) return undefined
    return { value: { ok: false, errors }, index: 1, knownLeader: true, lastContactMs: 0 }
  }

  #resolved({ accessorId, rules, expiresAt }: ResolvedToken): ReadResult<'acl.resolve'> {
    const { version } = this.#deps.store.acl()
    const value = { accessorId, rules, expiresAt }
    return { value, index: Math.max(1, version), knownLeader: true, lastContactMs: 0 }
  }

  async #self(
    { accessorId }: Bearer,
    options: ReadOptions | undefined,
  ): Promise<ReadResult<'acl.token.self'>> {
    const result = await this.#deps.servers.read('acl.token.get', { accessorId }, options)
    if (result.value === null) throw tokenNotFound()
    return result as ReadResult<'acl.token.self'> & { readonly value: ReadReply<'acl.token.self'> }
  }
}

/** mesh.md 4.4; what is no name at all is refused by who signs. @throws FairleadError PERMISSION_DENIED */
function assertMaySign(uri: string, bearer: Bearer): void {
  const id = parseSpiffeUri(uri)
  if ('error' in id) return
  switch (id.kind) {
    case 'service':
      assertAllowed(bearer, 'service', 'write', id.service)
      return
    case 'agent':
      assertAllowed(bearer, 'node', 'write', id.node)
      return
    case 'mesh-gateway':
      assertAllowed(bearer, 'mesh', 'write')
      return
    case 'server':
    case 'signing':
      assertAllowed(bearer, 'acl', 'write')
      return
  }
}
