/**
 * Secrets of the authority as they stand in the log and in snapshots: sealed with a key that is neither
 * (docs/decisions/0035).
 *
 * AES-256-GCM; the id of the root is authenticated with it, so that a secret cannot be moved to another
 * root. The first key seals, every key opens: that is how an operator replaces one. Without keys secrets
 * stand in clear, as they do in Consul.
 * Form: `fairlead-sealed:1:<id of the key>:<nonce>:<text and tag>`, base64.
 */

import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto'
import { FairleadError } from '../../core/errors.ts'

const PREFIX = 'fairlead-sealed:1:'
const NONCE_BYTES = 12
const TAG_BYTES = 16

export class SecretSealer {
  readonly #keys: ReadonlyMap<string, Uint8Array>
  readonly #first: string | undefined

  /** @param keys of 32 bytes each; the first seals */
  constructor(keys: readonly Uint8Array[]) {
    this.#keys = new Map(keys.map((key) => [keyName(key), key]))
    this.#first = keys[0] === undefined ? undefined : keyName(keys[0])
  }

  seal(secret: string, rootId: string): string {
    const key = this.#first === undefined ? undefined : this.#keys.get(this.#first)
    if (key === undefined || secret === '') return secret
    const nonce = randomBytes(NONCE_BYTES)
    const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(Buffer.from(rootId))
    const sealed = Buffer.concat([
      cipher.update(secret, 'utf8'),
      cipher.final(),
      cipher.getAuthTag(),
    ])
    return `${PREFIX}${this.#first}:${nonce.toString('base64')}:${sealed.toString('base64')}`
  }

  /** @throws FairleadError CA_KEY_SEALED when this server lacks the key, or the text was changed */
  open(stored: string, rootId: string): string {
    if (!stored.startsWith(PREFIX)) return stored
    const [name = '', nonce = '', text = ''] = stored.slice(PREFIX.length).split(':')
    const key = this.#keys.get(name)
    if (key === undefined) {
      throw sealed(`it was sealed with key "${name}", which this server does not have`)
    }
    const bytes = Buffer.from(text, 'base64')
    const at = bytes.length - TAG_BYTES
    if (at < 0) throw sealed('it is cut short')
    try {
      const decipher = createDecipheriv('aes-256-gcm', key, Buffer.from(nonce, 'base64'))
        .setAAD(Buffer.from(rootId))
        .setAuthTag(bytes.subarray(at))
      return Buffer.concat([decipher.update(bytes.subarray(0, at)), decipher.final()]).toString()
    } catch (cause) {
      throw sealed('it was changed since', cause)
    }
  }

  /** Whether `seal` would give something safer: it stands in clear, or under an older key. */
  isOutdated(stored: string): boolean {
    if (this.#first === undefined || stored === '') return false
    return !stored.startsWith(`${PREFIX}${this.#first}:`)
  }
}

/** Tells keys apart without telling them. */
function keyName(key: Uint8Array): string {
  return createHash('sha256').update('fairlead sealing key').update(key).digest('hex').slice(0, 16)
}

function sealed(why: string, cause?: unknown): FairleadError {
  return new FairleadError(
    'CA_KEY_SEALED',
    `The key of the certificate authority cannot be opened: ${why}`,
    { cause },
  )
}
