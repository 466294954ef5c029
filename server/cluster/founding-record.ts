/**
 * What this server has promised about founding a cluster, in `<data-dir>/founding.json` until it belongs to one.
 *
 * Guarantees: what `save` was given survives a power cut once it resolves; without a data directory it lives
 * as long as the process. A file that cannot be understood is an error, not forgotten: a promise may stand in
 * it. Bounds: FILE_BYTES_MAX, WITHDRAWN_MAX proposals that are still being withdrawn.
 */

import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { FairleadError } from '../../core/errors.ts'
import {
  type Configuration,
  configurationFault,
  decodeConfiguration,
  encodeConfiguration,
} from '../../core/raft/configuration.ts'
import {
  ensurePrivateDirectory,
  removeFile,
  writeFileAtomic,
} from '../../runtime/host/atomic-file.ts'

export const WITHDRAWN_MAX = 16

export interface Proposal {
  readonly clusterId: string
  readonly expect: number
  readonly configuration: Configuration
}

export interface FoundingPromises {
  /** At most one, of this server or of another. */
  readonly accepted: Proposal | null
  /** `accepted` is this server's own, and all have accepted it: there is no way back. */
  readonly isDecided: boolean
  /** Given up; who accepted them is still to be told. */
  readonly withdrawn: readonly Proposal[]
}

export const NO_PROMISES: FoundingPromises = { accepted: null, isDecided: false, withdrawn: [] }

const FILE_NAME = 'founding.json'
const VERSION = 1

export class FoundingRecord {
  readonly #dataDir: string

  /** @param dataDir '' keeps nothing */
  constructor(dataDir: string) {
    this.#dataDir = dataDir
  }

  /** '' when nothing is kept. */
  get path(): string {
    return this.#dataDir === '' ? '' : join(this.#dataDir, FILE_NAME)
  }

  /** @throws FairleadError STORAGE_FAILED | STORAGE_CORRUPT */
  async load(): Promise<FoundingPromises> {
    if (this.path === '') return NO_PROMISES
    let text: string
    try {
      text = await readFile(this.path, 'utf8')
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return NO_PROMISES
      throw new FairleadError('STORAGE_FAILED', `Cannot read "${this.path}"`, { cause })
    }
    try {
      return decode(text)
    } catch (cause) {
      throw new FairleadError(
        'STORAGE_CORRUPT',
        `"${this.path}" cannot be understood; remove it if no cluster is being founded`,
        { cause, facts: { path: this.path } },
      )
    }
  }

  /** @throws FairleadError STORAGE_FAILED */
  async save(promises: FoundingPromises): Promise<void> {
    if (this.path === '') return
    await ensurePrivateDirectory(this.#dataDir)
    await writeFileAtomic(this.path, encode(promises), { durable: true })
  }

  async remove(): Promise<void> {
    if (this.path !== '') await removeFile(this.path)
  }
}

function encode({ accepted, isDecided, withdrawn }: FoundingPromises): string {
  const document = {
    version: VERSION,
    accepted: accepted === null ? null : encodeProposal(accepted),
    isDecided,
    withdrawn: withdrawn.map(encodeProposal),
  }
  return `${JSON.stringify(document)}\n`
}

function encodeProposal({ clusterId, expect, configuration }: Proposal): object {
  const text = new TextDecoder().decode(encodeConfiguration(configuration))
  return { clusterId, expect, configuration: text }
}

function decode(text: string): FoundingPromises {
  const document: unknown = JSON.parse(text)
  if (!isRecord(document) || document['version'] !== VERSION) throw new Error('unknown version')
  const { accepted, isDecided, withdrawn } = document
  if (typeof isDecided !== 'boolean' || !Array.isArray(withdrawn)) throw new Error('not a record')
  return {
    accepted: accepted === null ? null : decodeProposal(accepted),
    isDecided,
    withdrawn: withdrawn.slice(0, WITHDRAWN_MAX).map(decodeProposal),
  }
}

function decodeProposal(value: unknown): Proposal {
  if (!isRecord(value)) throw new Error('not a proposal')
  const { clusterId, expect, configuration } = value
  if (typeof clusterId !== 'string' || typeof configuration !== 'string') {
    throw new Error('not a proposal')
  }
  if (typeof expect !== 'number' || !Number.isSafeInteger(expect)) throw new Error('not a number')
  const decoded = decodeConfiguration(new TextEncoder().encode(configuration))
  const fault = configurationFault(decoded)
  if (fault !== null) throw new Error(fault)
  return { clusterId, expect, configuration: decoded }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
