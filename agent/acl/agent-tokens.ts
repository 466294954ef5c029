/**
 * The tokens that this agent has for its own work: configured, changed while it runs, kept if that is wanted
 * (agent-config.md section 9, PUT /v1/agent/token).
 *
 * Guarantees: what was set while it ran goes before the configuration, also after a restart where it is kept; the file
 * is private, whole or absent. Secrets are not logged.
 */

import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { AgentTokens as Tokens } from '../../core/config/acl.ts'
import type { Service } from '../../core/lifecycle.ts'
import type { Logger } from '../../core/log.ts'
import { writeFileAtomic } from '../../runtime/host/atomic-file.ts'

export type TokenName = keyof Tokens

export const TOKENS_FILE = 'acl-tokens.json'

export interface AgentTokensOptions {
  readonly configured: Tokens
  /** '' for an agent that keeps nothing. */
  readonly dataDir: string
  readonly isKept: boolean
}

export class AgentTokens implements Service {
  readonly #options: AgentTokensOptions
  readonly #log: Logger
  readonly #listeners = new Set<() => void>()
  #configured: Tokens
  readonly #given: Partial<Record<TokenName, string>> = {}

  constructor(options: AgentTokensOptions, { log }: { readonly log: Logger }) {
    this.#options = options
    this.#configured = options.configured
    this.#log = log
  }

  async start(): Promise<void> {
    const { isKept } = this.#options
    if (!isKept || this.#path === undefined) return
    const text = await readFile(this.#path, 'utf8').catch(() => undefined)
    if (text === undefined) return
    try {
      const kept = JSON.parse(text) as Readonly<Record<string, unknown>>
      for (const name of Object.keys(this.#configured) as TokenName[]) {
        const secret = Object.hasOwn(kept, name) ? kept[name] : undefined
        if (typeof secret === 'string' && secret !== '') this.#given[name] = secret
      }
      this.#changed()
    } catch {
      this.#log.warn('the file of kept tokens is not readable; set them again', {
        file: TOKENS_FILE,
      })
    }
  }

  async drain(): Promise<void> {}

  async stop(): Promise<void> {
    this.#listeners.clear()
  }

  of(name: TokenName): string {
    return this.#given[name] ?? this.#configured[name]
  }

  /** Of requests that come without one. */
  get default(): string {
    return this.of('default')
  }

  /** Of what the agent does by itself. */
  get agent(): string {
    return this.of('agent') || this.default
  }

  get dns(): string {
    return this.of('dns') || this.default
  }

  /** Of registrations that come without one. @param isFromFile from a file of the configuration */
  registration(isFromFile: boolean): string {
    return (isFromFile ? this.of('config_file_service_registration') : '') || this.default
  }

  /** @throws FairleadError STORAGE_FAILED; the token counts nevertheless */
  async set(name: TokenName, secret: string): Promise<void> {
    this.#given[name] = secret
    this.#changed()
    const path = this.#path
    if (!this.#options.isKept || path === undefined) return
    await writeFileAtomic(path, JSON.stringify(this.#given), { durable: true })
  }

  reload(configured: Tokens): void {
    this.#configured = configured
    this.#changed()
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  get #path(): string | undefined {
    const { dataDir } = this.#options
    return dataDir === '' ? undefined : join(dataDir, TOKENS_FILE)
  }

  #changed(): void {
    for (const listener of this.#listeners) listener()
  }
}
