/**
 * What the leader does about tokens beyond writing them down: the first one, logins, the end of those whose time is
 * over (http-api.md 24.1, 24.2, 24.5).
 *
 * Guarantees: a bootstrap is repeated only with the number that the operator wrote into RESET_FILE, which is used up
 * by it; a login gives what the binding rules of its method say and nothing else; a duty that fails is tried again.
 * Secrets are neither known here nor logged.
 */

import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { isLoginMethod, loginSettings } from '../../core/acl/auth-method.ts'
import { grantsOfLogin } from '../../core/acl/binding-rules.ts'
import { MANAGEMENT_POLICY } from '../../core/acl/builtin.ts'
import type { TokenRecord, TokenWrite } from '../../core/acl/records.ts'
import { hashSecret } from '../../core/acl/secret.ts'
import type { Command } from '../../core/catalog/commands.ts'
import type { StateReader } from '../../core/catalog/store-api.ts'
import { FairleadError } from '../../core/errors.ts'
import type { Logger } from '../../core/log.ts'
import type { OperatorCalls, TokenIdentity } from '../../core/rpc/operator.ts'
import { type Clock, instant, type Timer } from '../../core/time.ts'
import { removeFile } from '../../runtime/host/atomic-file.ts'
import type { JwtVerifier } from '../../runtime/jwt/jwt-verifier.ts'

export const RESET_FILE = 'acl-bootstrap-reset'
const REAP_PERIOD_MS = 5_000
const REAP_BATCH = 256

export interface AclActsOptions {
  readonly datacenter: string
  /** '' without one. */
  readonly dataDir: string
  /** Of a token with all rights that is to be there; '' for none. */
  readonly initialManagement: string
}

export interface AclActsDeps {
  readonly store: Pick<StateReader, 'acl' | 'read'>
  readonly write: (command: Command) => Promise<unknown>
  readonly jwt: Pick<JwtVerifier, 'verify'>
  readonly clock: Clock
  readonly log: Logger
  readonly newId: () => string
}

export class AclActs {
  readonly #options: AclActsOptions
  readonly #deps: AclActsDeps
  #timer: Timer | undefined
  #running: Promise<void> = Promise.resolve()
  #isLeading = false
  #toldOfInitial = false

  constructor(options: AclActsOptions, deps: AclActsDeps) {
    this.#options = options
    this.#deps = deps
  }

  /** @throws FairleadError PERMISSION_DENIED */
  async bootstrap(identity: TokenIdentity): Promise<TokenRecord> {
    const { dataDir } = this.#options
    const resetIndex = await this.#resetIndex()
    await this.#deps.write({
      kind: 'acl.bootstrap',
      token: managementToken(identity, 'Bootstrap Token (Global Management)'),
      ...(resetIndex === undefined ? {} : { resetIndex }),
      now: this.#deps.clock.wall(),
    })
    if (resetIndex !== undefined) await removeFile(join(dataDir, RESET_FILE))
    return this.#shown(identity.accessorId)
  }

  /** @throws FairleadError PERMISSION_DENIED, REJECTED */
  async login(request: OperatorCalls['acl.login']['request']): Promise<TokenRecord> {
    const { authMethod: name, bearerToken, meta, accessorId, secretHash } = request
    const { store, jwt, clock } = this.#deps
    const acl = store.acl()
    const method = acl.authMethod(name)
    if (method === undefined || !isLoginMethod(method)) {
      throw new FairleadError(
        'PERMISSION_DENIED',
        `auth method ${JSON.stringify(name)} not found: ACL not found`,
      )
    }
    const { maxTokenTtlMs, isLocal } = loginSettings(method)
    const verified = await jwt.verify(method, bearerToken)
    const granted = grantsOfLogin(store.acl().bindingRulesOf(name), verified, {
      datacenter: this.#options.datacenter,
      exists: (kind, wanted) => acl.exists(kind, wanted),
    })
    if (granted === undefined) throw new FairleadError('PERMISSION_DENIED', 'Permission denied')
    const about = Object.keys(meta).length === 0 ? '' : `: ${JSON.stringify(meta)}`
    await this.#deps.write({
      kind: 'acl.token.set',
      mode: 'create',
      token: {
        accessorId,
        secretHash,
        description: `token created via login${about}`,
        ...granted,
        local: isLocal,
        authMethod: name,
        ttlMs: maxTokenTtlMs,
      },
      now: clock.wall(),
    })
    return this.#shown(accessorId)
  }

  /** Begins the duties of a leader. */
  start(): void {
    if (this.#isLeading) return
    this.#isLeading = true
    this.#running = this.#running.then(() => this.#round())
  }

  /** Idempotent. */
  async stop(): Promise<void> {
    this.#isLeading = false
    this.#timer?.cancel()
    await this.#running
  }

  async #round(): Promise<void> {
    if (!this.#isLeading) return
    const { clock, log } = this.#deps
    try {
      await this.#makeInitial()
      await this.#reap()
    } catch (err) {
      if (this.#isLeading) log.warn('duties about tokens failed, will try again', { err })
    }
    if (!this.#isLeading) return
    this.#timer = clock.timer(instant(clock.now() + REAP_PERIOD_MS), () => {
      this.#running = this.#round()
    })
  }

  /**
   * Once in the life of a cluster: one that was deleted, or that comes into the configuration of a cluster with tokens,
   * must not come back with every new leader (docs/decisions/0039).
   */
  async #makeInitial(): Promise<void> {
    const { initialManagement } = this.#options
    const { store, write, clock, log, newId } = this.#deps
    if (initialManagement === '') return
    const secretHash = hashSecret(initialManagement)
    const acl = store.acl()
    if (acl.tokenByHash(secretHash) !== undefined) return
    if (acl.bootstrapIndex !== 0) {
      if (!this.#toldOfInitial) {
        log.warn(
          'acl.tokens.initial_management is no token and is not made, for this cluster was bootstrapped before: take it out of the configuration',
        )
      }
      this.#toldOfInitial = true
      return
    }
    const token = managementToken({ accessorId: newId(), secretHash }, 'Initial Management Token')
    const now = clock.wall()
    // Nobody else may make another by a bootstrap then.
    await write({ kind: 'acl.bootstrap', token, now })
    log.info('the initial management token was made', { accessor: token.accessorId })
  }

  async #reap(): Promise<void> {
    const { store, write, clock, log } = this.#deps
    const now = clock.wall()
    const accessorIds = store.acl().expired(now, REAP_BATCH)
    if (accessorIds.length === 0) return
    await write({ kind: 'acl.token.reap', accessorIds, now })
    log.debug('tokens whose time was over were deleted', { count: accessorIds.length })
  }

  async #resetIndex(): Promise<number | undefined> {
    const { dataDir } = this.#options
    if (dataDir === '') return undefined
    const text = await readFile(join(dataDir, RESET_FILE), 'utf8').catch(() => undefined)
    if (text === undefined) return undefined
    const index = /^\s*[0-9]{1,15}\s*$/.test(text) ? Number(text) : Number.NaN
    if (Number.isSafeInteger(index)) return index
    this.#deps.log.warn('the file that resets the ACL bootstrap holds no number', {
      file: RESET_FILE,
    })
    return undefined
  }

  #shown(accessorId: string): TokenRecord {
    const { value } = this.#deps.store.read('acl.token.get', { accessorId })
    if (value !== null) return value
    throw new FairleadError('INTERNAL', 'A token that was made is not there')
  }
}

function managementToken(identity: TokenIdentity, description: string): TokenWrite {
  return {
    ...identity,
    description,
    policies: [{ id: MANAGEMENT_POLICY, name: '' }],
    roles: [],
    serviceIdentities: [],
    nodeIdentities: [],
    templatedPolicies: [],
    local: false,
    authMethod: '',
    ttlMs: 0,
  }
}
