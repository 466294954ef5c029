/**
 * Whose call a connection on a shared address is, told by the process that made it (decision 0005).
 */

import type { Socket } from 'node:net'
import type { Logger } from '../../core/log.ts'
import type { CallerRules } from '../../core/mesh/proxy-snapshot.ts'
import type { Clock } from '../../core/time.ts'
import type { CallerIdentities } from './outbound-listener.ts'

export class ProcessCallers implements CallerIdentities {
  #rules: CallerRules = { services: [] }
  constructor(_deps: { readonly clock: Clock; readonly log: Logger }) {}
  update(rules: CallerRules): void {
    this.#rules = rules
  }
  async identify(_socket: Socket, fallback: string | undefined): Promise<string | undefined> {
    return fallback ?? this.#rules.fallbackIdentityId
  }
  stop(): void {}
}
