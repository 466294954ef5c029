/**
 * Encryption of gossip: AES-256-GCM under a subkey of each sender and run, with a counter for a nonce (gossip.md 10).
 *
 *     sealed  sender (8, random for each run) · count (8, big endian) · ciphertext · tag (16)
 *     subkey  HKDF-SHA-256(key of the pool, info "fairlead gossip 1" · sender), 32 bytes
 *     nonce   kind (1) · 0 0 0 · count (8)
 *
 * Guarantees: a nonce never repeats under one subkey, whatever is sealed and however long (G15); what was opened once is
 * not opened again while its sender is remembered; nothing is remembered of who could not prove a key.
 * Does not know who a sender is: any holder of a key may speak for any member (gossip.md 10, trust model). What was
 * sealed for another member, or is older than this run, can be opened here: gossip itself is proof against old news.
 * Bounds: SENDERS_MAX senders are remembered; the one that was silent for longest is forgotten.
 */

import { Buffer } from 'node:buffer'
import { createCipheriv, createDecipheriv, hkdfSync } from 'node:crypto'
import type { GossipKey } from '../../core/swim/gossip-key.ts'
import type { Keyring } from '../../core/swim/keyring.ts'
import { ReplayWindow } from './replay-window.ts'

/** As many as a pool can have members (MEMBERS_MAX). */
const SENDERS_MAX = 65_536
const ALGORITHM = 'aes-256-gcm'
const SUBKEY_SIZE = 32
const INFO = Buffer.from('fairlead gossip 1')
export const SENDER_SIZE = 8
const COUNT_SIZE = 8
const NONCE_SIZE = 12
const TAG_SIZE = 16
const HEAD_SIZE = SENDER_SIZE + COUNT_SIZE
/** Bytes around a body. */
export const CIPHER_OVERHEAD = HEAD_SIZE + TAG_SIZE

/** What is sealed; each has its own counters, since streams are slower than packets. */
export type SealedKind = 'packet' | 'request' | 'reply'
const KIND_NUMBER: Readonly<Record<SealedKind, number>> = { packet: 0, request: 1, reply: 2 }

export type Decrypted =
  | { readonly kind: 'opened'; readonly body: Uint8Array }
  | { readonly kind: 'refused'; readonly reason: 'malformed' | 'key' | 'replay' }

interface Sender {
  key: GossipKey
  subkey: Buffer
  readonly windows: Partial<Record<SealedKind, ReplayWindow>>
}

export class MemberCipher {
  readonly #keyring: Keyring
  readonly #self: Buffer
  /** The one heard last comes last. */
  readonly #senders = new Map<string, Sender>()
  #own: { readonly key: GossipKey; readonly subkey: Buffer } | null = null
  readonly #counts: Record<SealedKind, number> = { packet: 0, request: 0, reply: 0 }

  /** @param sender SENDER_SIZE bytes that no other run of any member uses: random */
  constructor(keyring: Keyring, sender: Buffer) {
    this.#keyring = keyring
    this.#self = sender
  }

  /** Writes body.length + CIPHER_OVERHEAD bytes to `target` at `at`. @param bound what must be the same when opened */
  encrypt(
    kind: SealedKind,
    body: Uint8Array,
    { bound, target, at }: { readonly bound: Buffer; readonly target: Buffer; readonly at: number },
  ): void {
    const count = ++this.#counts[kind]
    this.#self.copy(target, at)
    writeCount(target, count, at + SENDER_SIZE)
    const cipher = createCipheriv(ALGORITHM, this.#ownSubkey(), nonceOf(kind, count))
    cipher.setAAD(bound)
    const written = cipher.update(body)
    written.copy(target, at + HEAD_SIZE)
    cipher.final()
    cipher.getAuthTag().copy(target, at + HEAD_SIZE + written.length)
  }

  decrypt(kind: SealedKind, sealed: Buffer, bound: Buffer): Decrypted {
    if (sealed.length < CIPHER_OVERHEAD) return { kind: 'refused', reason: 'malformed' }
    const count = readCount(sealed, SENDER_SIZE)
    if (count === null) return { kind: 'refused', reason: 'malformed' }
    const id = sealed.toString('latin1', 0, SENDER_SIZE)
    const known = this.#senders.get(id)
    if (known?.windows[kind]?.isNew(count) === false) return { kind: 'refused', reason: 'replay' }
    const nonce = nonceOf(kind, count)
    for (const key of this.#keysFor(known)) {
      const subkey =
        known?.key === key ? known.subkey : subkeyOf(key, sealed.subarray(0, SENDER_SIZE))
      const body = open(sealed, { subkey, nonce, bound })
      if (body === null) continue
      this.#remember(id, known, { key, subkey, kind, count })
      return { kind: 'opened', body }
    }
    return { kind: 'refused', reason: 'key' }
  }

  /** Senders that are remembered. */
  get senders(): number {
    return this.#senders.size
  }

  #ownSubkey(): Buffer {
    const key = this.#keyring.primary
    if (this.#own?.key !== key) this.#own = { key, subkey: subkeyOf(key, this.#self) }
    return this.#own.subkey
  }

  /** The one that a sender used last comes first, if it still counts. */
  #keysFor(known: Sender | undefined): readonly GossipKey[] {
    const { keys } = this.#keyring
    const last = known?.key
    if (last === undefined || last === keys[0] || !keys.includes(last)) return keys
    return [last, ...keys.filter((key) => key !== last)]
  }

  #remember(
    id: string,
    known: Sender | undefined,
    seen: {
      readonly key: GossipKey
      readonly subkey: Buffer
      readonly kind: SealedKind
      readonly count: number
    },
  ): void {
    const { key, subkey, kind, count } = seen
    const sender: Sender = known ?? { key, subkey, windows: {} }
    sender.key = key
    sender.subkey = subkey
    sender.windows[kind] ??= new ReplayWindow()
    sender.windows[kind].note(count)
    this.#senders.delete(id)
    this.#senders.set(id, sender)
    if (this.#senders.size <= SENDERS_MAX) return
    const [silent] = this.#senders.keys()
    if (silent !== undefined) this.#senders.delete(silent)
  }
}

function open(
  sealed: Buffer,
  {
    subkey,
    nonce,
    bound,
  }: { readonly subkey: Buffer; readonly nonce: Buffer; readonly bound: Buffer },
): Uint8Array | null {
  const end = sealed.length - TAG_SIZE
  const decipher = createDecipheriv(ALGORITHM, subkey, nonce, { authTagLength: TAG_SIZE })
  decipher.setAAD(bound)
  decipher.setAuthTag(sealed.subarray(end))
  const body = decipher.update(sealed.subarray(HEAD_SIZE, end))
  try {
    decipher.final()
    return body
  } catch {
    return null // another key, or changed on the way
  }
}

function subkeyOf(key: GossipKey, sender: Buffer): Buffer {
  const info = Buffer.concat([INFO, sender])
  return Buffer.from(hkdfSync('sha256', key.bytes, Buffer.alloc(0), info, SUBKEY_SIZE))
}

function nonceOf(kind: SealedKind, count: number): Buffer {
  const nonce = Buffer.alloc(NONCE_SIZE)
  nonce[0] = KIND_NUMBER[kind]
  writeCount(nonce, count, NONCE_SIZE - COUNT_SIZE)
  return nonce
}

function writeCount(target: Buffer, count: number, at: number): void {
  target.writeUInt32BE(Math.floor(count / 2 ** 32), at)
  target.writeUInt32BE(count % 2 ** 32, at + 4)
}

/** @returns null for what no honest sender reaches */
function readCount(bytes: Buffer, at: number): number | null {
  const count = bytes.readUInt32BE(at) * 2 ** 32 + bytes.readUInt32BE(at + 4)
  return count > 0 && Number.isSafeInteger(count) ? count : null
}
