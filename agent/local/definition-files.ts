/**
 * What was registered through the HTTP API, kept in the data directory (agent-config.md 16).
 *
 * Guarantees: one file per service and per check, whole or absent, mode 0600; what a save or remove
 * resolved for is there after a crash. Check states are written without fsync: losing the last one to a
 * power failure costs one check interval. A file that is corrupt, or of an unknown version, is removed with
 * an error log and does not stop the start.
 * Format: `{version, sha256, body}`, sha256 over the body's JSON; names are sha256 of the id.
 * Bounds: at most `FILES_MAX` files are read per directory, each up to `FILE_SIZE_MAX`.
 */

import { createHash } from 'node:crypto'
import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { CheckDefinition, CheckStatus, ServiceDefinition } from '../../core/catalog/types.ts'
import { isPlainObject } from '../../core/decode/decoder.ts'
import type { Logger } from '../../core/log.ts'
import {
  ensurePrivateDirectory,
  removeFile,
  TEMPORARY_SUFFIX,
  writeFileAtomic,
} from '../../runtime/host/atomic-file.ts'
import { CHECKS_MAX } from './limits.ts'
import type { CheckSpec } from './types.ts'

const VERSION = 1
const FILES_MAX = 2 * CHECKS_MAX
const FILE_SIZE_MAX = 4 * 1024 * 1024

export interface StoredService {
  readonly service: ServiceDefinition
  readonly isSidecar: boolean
  readonly token: string
}

export interface StoredCheck {
  readonly check: CheckDefinition
  readonly spec: CheckSpec | null
  readonly token: string
}

export interface StoredCheckState {
  readonly checkId: string
  readonly status: CheckStatus
  readonly output: string
  /** Epoch ms at which a TTL check turns critical; absent for other types. */
  readonly ttlExpiresAt?: number
}

export class DefinitionFiles {
  readonly #services: string
  readonly #checks: string
  readonly #states: string
  readonly #log: Logger
  /** Newest state not yet on disk, by check; one writer runs at a time. */
  readonly #pendingStates = new Map<string, StoredCheckState | null>()
  #stateWriter: Promise<void> | undefined

  constructor(options: { readonly dataDir: string }, deps: { readonly log: Logger }) {
    this.#services = join(options.dataDir, 'services')
    this.#checks = join(options.dataDir, 'checks')
    this.#states = join(options.dataDir, 'checks', 'state')
    this.#log = deps.log
  }

  /** Makes the directories. @throws FairleadError STORAGE_FAILED */
  async open(): Promise<void> {
    await ensurePrivateDirectory(this.#services)
    await ensurePrivateDirectory(this.#states)
  }

  loadServices(): Promise<readonly StoredService[]> {
    return this.#load<StoredService>(this.#services, (body) => isPlainObject(body['service']))
  }

  loadChecks(): Promise<readonly StoredCheck[]> {
    return this.#load<StoredCheck>(this.#checks, (body) => isPlainObject(body['check']))
  }

  loadStates(): Promise<readonly StoredCheckState[]> {
    return this.#load<StoredCheckState>(
      this.#states,
      (body) => typeof body['checkId'] === 'string' && typeof body['status'] === 'string',
    )
  }

  async saveService(stored: StoredService): Promise<void> {
    await write(join(this.#services, nameOf(stored.service.id)), stored, true)
  }

  async removeService(id: string): Promise<void> {
    await removeFile(join(this.#services, nameOf(id)))
  }

  async saveCheck(stored: StoredCheck): Promise<void> {
    await write(join(this.#checks, nameOf(stored.check.checkId)), stored, true)
  }

  async removeCheck(id: string): Promise<void> {
    await this.removeDefinition(id)
    this.removeState(id)
  }

  /** Removes the check's definition and leaves its state. */
  async removeDefinition(id: string): Promise<void> {
    await removeFile(join(this.#checks, nameOf(id)))
  }

  /** Queues the newest state of a check; a failed write is logged. */
  saveState(state: StoredCheckState): void {
    this.#queueState(state.checkId, state)
  }

  removeState(checkId: string): void {
    this.#queueState(checkId, null)
  }

  /** Resolves when every queued state is on disk. */
  async flush(): Promise<void> {
    await this.#stateWriter
  }

  #queueState(checkId: string, state: StoredCheckState | null): void {
    this.#pendingStates.set(checkId, state)
    this.#stateWriter ??= this.#writeStates().finally(() => {
      this.#stateWriter = undefined
    })
  }

  async #writeStates(): Promise<void> {
    for (;;) {
      const next = this.#pendingStates.entries().next()
      if (next.done === true) return
      const [checkId, state] = next.value
      this.#pendingStates.delete(checkId)
      const path = join(this.#states, nameOf(checkId))
      try {
        if (state === null) await removeFile(path)
        else await write(path, state, false)
      } catch (err) {
        this.#log.warn('check state not saved', { check: checkId, err })
      }
    }
  }

  async #load<T>(
    directory: string,
    isExpected: (body: Record<string, unknown>) => boolean,
  ): Promise<readonly T[]> {
    const found: T[] = []
    const entries = await readdir(directory, { withFileTypes: true })
    const files = entries.filter((entry) => entry.isFile()).map((entry) => entry.name)
    for (const name of files.sort().slice(0, FILES_MAX)) {
      const path = join(directory, name)
      if (name.endsWith(TEMPORARY_SUFFIX)) {
        await removeFile(path)
        continue
      }
      const text = await this.#readText(path)
      if (text === undefined) continue
      const body = bodyOf(text)
      if (body !== undefined && isExpected(body)) found.push(body as T)
      else {
        this.#log.error('corrupt registration file removed', { path })
        await removeFile(path)
      }
    }
    return found
  }

  /** @returns undefined, after an error log, for a file that cannot be read now: it is left alone */
  async #readText(path: string): Promise<string | undefined> {
    try {
      const { size } = await stat(path)
      return size > FILE_SIZE_MAX ? '' : await readFile(path, 'utf8')
    } catch (err) {
      this.#log.error('registration file not readable', { path, err })
      return undefined
    }
  }
}

function bodyOf(text: string): Record<string, unknown> | undefined {
  let parsed: unknown
  try {
    parsed = JSON.parse(text)
  } catch {
    // What is no JSON is corrupt; the caller removes the file and says so.
    return undefined
  }
  if (!isPlainObject(parsed) || parsed['version'] !== VERSION) return undefined
  const body = parsed['body']
  if (!isPlainObject(body) || parsed['sha256'] !== digest(JSON.stringify(body))) return undefined
  return body
}

async function write(path: string, body: object, durable: boolean): Promise<void> {
  const text = JSON.stringify(body)
  const content = `{"version":${VERSION},"sha256":"${digest(text)}","body":${text}}\n`
  await writeFileAtomic(path, content, { durable })
}

function nameOf(id: string): string {
  return digest(id)
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}
