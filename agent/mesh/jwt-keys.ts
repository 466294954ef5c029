/**
 * The keys of jwt-provider entries: out of the entry, from a file of this host, or fetched (mesh.md 7.13).
 *
 * The agent fetches, not the proxy: one request a host, however many services there are. Keys that cannot be had keep
 * those of before; without any the provider verifies nothing, so that its intentions deny.
 * Fetched again every `CacheDuration` (10 min), after a failure with the retries of the entry and then every
 * RETRY_MS. Not supported: JWKSCluster but for a TrustedCA that is inline or a file.
 */

import { readFile, stat } from 'node:fs/promises'
import { sameData } from '../../core/catalog/equality.ts'
import type { ConfigEntryRecord, Json, JsonObject } from '../../core/catalog/types.ts'
import {
  durationAt,
  isObject,
  numberAt,
  objectAt,
  textAt,
} from '../../core/config-entries/read-field.ts'
import type { Logger } from '../../core/log.ts'
import { type Clock, instant, type Timer } from '../../core/time.ts'
import { plainCall } from '../../runtime/http/plain-call.ts'

const KEYS_BYTES_MAX = 512 * 1024
const CACHE_MS = 10 * 60_000
const CACHE_MS_MIN = 1_000
const TIMEOUT_MS = 5_000
const RETRY_MS = 5_000

interface Held {
  readonly name: string
  readonly set: JsonObject | undefined
  keys: readonly JsonObject[]
  failures: number
  timer: Timer | undefined
}

export interface JwtKeysDeps {
  readonly clock: Clock
  readonly log: Logger
  /** Keys have come or changed. */
  readonly onChange: () => void
}

export class JwtKeys {
  readonly #deps: JwtKeysDeps
  readonly #held = new Map<string, Held>()

  constructor(deps: JwtKeysDeps) {
    this.#deps = deps
  }

  want(entries: readonly ConfigEntryRecord[]): void {
    const gone = new Set(this.#held.keys())
    for (const { name, body } of entries) {
      gone.delete(name)
      const set = objectAt(body, 'JSONWebKeySet')
      const known = this.#held.get(name)
      if (known !== undefined && sameData(known.set ?? null, set ?? null)) continue
      known?.timer?.cancel()
      const held: Held = {
        name,
        set,
        keys: keysAtOnce(set, known),
        failures: 0,
        timer: undefined,
      }
      this.#held.set(name, held)
      void this.#load(held)
    }
    for (const name of gone) {
      this.#held.get(name)?.timer?.cancel()
      this.#held.delete(name)
    }
  }

  of(name: string): readonly JsonObject[] {
    return this.#held.get(name)?.keys ?? []
  }

  stop(): void {
    this.want([])
  }

  async #load(held: Held): Promise<void> {
    const remote = objectAt(held.set, 'Remote')
    try {
      const keys = keysIn(await textOf(held.set))
      if (this.#held.get(held.name) !== held) return
      held.failures = 0
      const isNew = !sameData(keys as Json, held.keys as Json)
      held.keys = keys
      if (isNew) this.#deps.onChange()
      const cacheMs = durationAt(remote, 'CacheDuration') / 1_000_000
      this.#arm(held, Math.max(CACHE_MS_MIN, cacheMs > 0 ? cacheMs : CACHE_MS))
    } catch (err) {
      if (this.#held.get(held.name) !== held) return
      held.failures += 1
      this.#deps.log.warn('cannot get the keys of a jwt-provider', { provider: held.name, err })
      const retries = numberAt(objectAt(remote, 'RetryPolicy'), 'NumRetries')
      this.#arm(held, held.failures <= retries ? 1_000 : RETRY_MS)
    }
  }

  #arm(held: Held, delayMs: number): void {
    const { clock } = this.#deps
    held.timer = clock.timer(instant(clock.now() + delayMs), () => void this.#load(held))
  }
}

/** So that a change of an entry closes no door: keys that are in it, or that were fetched from the same place. */
function keysAtOnce(set: JsonObject | undefined, before: Held | undefined): readonly JsonObject[] {
  const inline = textAt(objectAt(set, 'Local'), 'JWKS')
  if (inline !== '') {
    try {
      return keysIn(Buffer.from(inline, 'base64').toString())
    } catch {
      return [] // loading says why
    }
  }
  const uri = textAt(objectAt(set, 'Remote'), 'URI')
  const isSamePlace = uri !== '' && uri === textAt(objectAt(before?.set, 'Remote'), 'URI')
  return isSamePlace ? (before?.keys ?? []) : []
}

async function textOf(set: JsonObject | undefined): Promise<string> {
  const local = objectAt(set, 'Local')
  if (local !== undefined) {
    const inline = textAt(local, 'JWKS')
    if (inline !== '') return Buffer.from(inline, 'base64').toString()
    return await fileText(textAt(local, 'Filename'))
  }
  const remote = objectAt(set, 'Remote')
  const uri = textAt(remote, 'URI')
  const given = numberAt(remote, 'RequestTimeoutMs')
  const caPem = await trustedCa(objectAt(remote, 'JWKSCluster'))
  const answer = await plainCall({
    url: new URL(uri),
    method: 'GET',
    headers: { accept: 'application/json' },
    timeoutMs: given > 0 ? given : TIMEOUT_MS,
    bytesMax: KEYS_BYTES_MAX,
    ...(caPem === '' ? {} : { caPem }),
  })
  if (answer.status !== 200) throw new Error(`${uri} answered ${answer.status}`)
  return answer.body
}

async function trustedCa(cluster: JsonObject | undefined): Promise<string> {
  const trusted = objectAt(objectAt(cluster, 'TLSCertificates'), 'TrustedCA')
  const inline = textAt(trusted, 'InlineString')
  if (inline !== '') return inline
  const bytes = textAt(trusted, 'InlineBytes')
  if (bytes !== '') return Buffer.from(bytes, 'base64').toString()
  const path = textAt(trusted, 'Filename')
  return path === '' ? '' : await fileText(path)
}

async function fileText(path: string): Promise<string> {
  const { size } = await stat(path)
  if (size > KEYS_BYTES_MAX) throw new Error(`"${path}" is over ${KEYS_BYTES_MAX} bytes`)
  return await readFile(path, 'utf8')
}

/** @throws Error when it is no set of keys */
function keysIn(text: string): readonly JsonObject[] {
  const set = JSON.parse(text) as Json
  const keys = isObject(set) ? set['keys'] : undefined
  if (!Array.isArray(keys)) throw new Error('it has no list of keys')
  return keys.filter(isObject)
}
