/**
 * The keyring of this member: where it comes from, what is done to it, what all members say about theirs (gossip.md 10).
 *
 * The file wins over the configuration, since keys are rotated in the file. Guarantees: a change is durable before it is
 * answered and before it is used; changes are made one after another; a request that did not come encrypted changes
 * nothing. Bounds: ASK_PARALLEL_MAX members are asked at a time.
 */

import { FairleadError, toFairleadError } from '../../core/errors.ts'
import type { Logger } from '../../core/log.ts'
import type { GossipKey } from '../../core/swim/gossip-key.ts'
import { Keyring, type KeyringChange } from '../../core/swim/keyring.ts'
import {
  decodeKeyringAnswer,
  decodeKeyringRequest,
  encodeKeyringAnswer,
  encodeKeyringRequest,
  type KeyringAnswer,
  type KeyringRequest,
} from '../../core/swim/keyring-codec.ts'
import { type KeyringReport, objectionsTo, reportOf } from '../../core/swim/keyring-report.ts'
import type { ExchangeOutcome } from '../../core/swim/types.ts'
import { WireError } from '../../core/swim/wire.ts'
import { readKeyringFile, writeKeyringFile } from '../../runtime/gossip/keyring-file.ts'

export interface GossipEncryption {
  /** Of the configuration; the keys of the file come before it. */
  readonly key: GossipKey | undefined
  /** Without one the keys are as old as the process. */
  readonly keyringPath: string | undefined
  readonly verifyIncoming: boolean
  readonly verifyOutgoing: boolean
}

/** Asks one member; never rejects. */
export type AskMember = (request: Uint8Array) => Promise<ExchangeOutcome>

const ASK_PARALLEL_MAX = 64
const NOT_ENCRYPTED = 'keyring is empty: gossip is not encrypted'

export class PoolKeys {
  /** Null where gossip is not encrypted. */
  readonly keyring: Keyring | null
  readonly #path: string | undefined
  readonly #log: Logger
  #changing: Promise<unknown> = Promise.resolve()

  private constructor(keyring: Keyring | null, path: string | undefined, log: Logger) {
    this.keyring = keyring
    this.#path = path
    this.#log = log
  }

  /** @throws FairleadError INVALID_CONFIG | STORAGE_FAILED for a file that cannot be used */
  static async open(
    { key, keyringPath }: GossipEncryption,
    { log }: { readonly log: Logger },
  ): Promise<PoolKeys> {
    const kept = keyringPath === undefined ? undefined : await readKeyringFile(keyringPath)
    if (kept !== undefined) {
      if (key !== undefined && kept[0]?.equals(key) === false) {
        log.warn('encrypt is not used: the keyring in the data directory counts', {
          path: keyringPath,
        })
      }
      return new PoolKeys(new Keyring(kept), keyringPath, log)
    }
    if (key === undefined) return new PoolKeys(null, keyringPath, log)
    if (keyringPath !== undefined) await writeKeyringFile(keyringPath, [key])
    return new PoolKeys(new Keyring([key]), keyringPath, log)
  }

  /** Another member asks. @returns the bytes of the answer */
  async answer(bytes: Uint8Array, isEncrypted: boolean): Promise<Uint8Array> {
    return encodeKeyringAnswer(await this.#answerTo(bytes, isEncrypted))
  }

  /** @throws FairleadError REJECTED where gossip is not encrypted */
  async spread(
    request: KeyringRequest,
    self: string,
    others: ReadonlyMap<string, AskMember>,
  ): Promise<KeyringReport> {
    if (this.keyring === null) throw new FairleadError('REJECTED', NOT_ENCRYPTED)
    if (request.kind === 'use' || request.kind === 'remove') {
      const listed = await this.#askAll({ kind: 'list' }, self, others)
      const objections = objectionsTo(request, listed)
      if (objections.size > 0) {
        const failed = [...objections].map(
          ([name, reason]) => [name, { kind: 'failed', reason }] as const,
        )
        return reportOf(new Map<string, KeyringAnswer>([...listed, ...failed]), true)
      }
    }
    return reportOf(await this.#askAll(request, self, others))
  }

  async #askAll(
    request: KeyringRequest,
    self: string,
    others: ReadonlyMap<string, AskMember>,
  ): Promise<ReadonlyMap<string, KeyringAnswer>> {
    const answers = new Map<string, KeyringAnswer>([[self, await this.#perform(request)]])
    const bytes = encodeKeyringRequest(request)
    const waiting = [...others]
    const askNext = async (): Promise<void> => {
      for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
        const [name, ask] = next
        answers.set(name, answerIn(await ask(bytes)))
      }
    }
    await Promise.all(Array.from({ length: ASK_PARALLEL_MAX }, askNext))
    return answers
  }

  async #answerTo(bytes: Uint8Array, isEncrypted: boolean): Promise<KeyringAnswer> {
    if (!isEncrypted) return failed('a request about keys must be encrypted')
    try {
      return await this.#perform(decodeKeyringRequest(bytes))
    } catch (thrown) {
      if (thrown instanceof WireError) return failed('the request cannot be read')
      throw thrown
    }
  }

  async #perform(request: KeyringRequest): Promise<KeyringAnswer> {
    const { keyring } = this
    if (keyring === null) return failed(NOT_ENCRYPTED)
    if (request.kind === 'list') return { kind: 'done', keys: keyring.keys }
    const turn = this.#changing.then(() => this.#change(keyring, request))
    this.#changing = turn
    return await turn
  }

  async #change(keyring: Keyring, change: KeyringChange): Promise<KeyringAnswer> {
    const outcome = keyring.after(change)
    if (outcome.kind === 'refused') return failed(outcome.reason)
    if (outcome.keys !== keyring.keys) {
      try {
        if (this.#path !== undefined) await writeKeyringFile(this.#path, outcome.keys)
      } catch (thrown) {
        const error = toFairleadError(thrown)
        this.#log.error('keyring cannot be written and stays as it was', { err: error })
        return failed(error.message)
      }
      keyring.replace(outcome.keys)
      this.#log.info('keyring changed', { change: change.kind, keys: outcome.keys.length })
    }
    return { kind: 'done', keys: keyring.keys }
  }
}

function answerIn(outcome: ExchangeOutcome): KeyringAnswer {
  if (outcome.kind === 'failed') return failed(outcome.reason)
  try {
    return decodeKeyringAnswer(outcome.bytes)
  } catch (thrown) {
    if (thrown instanceof WireError) return failed('its answer cannot be read')
    throw thrown
  }
}

function failed(reason: string): KeyringAnswer {
  return { kind: 'failed', reason }
}
