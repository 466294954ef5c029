/**
 * Reload of what configuration files define: services and checks (agent-config.md section 14).
 *
 * Only what differs from the last load is touched, so that nothing that stayed the same flaps. What is gone
 * from the files is deregistered; what the API registered is left alone. A definition that is refused stops
 * the reload with its error; those before it have taken effect, as their files say.
 */

import { isDeepStrictEqual } from 'node:util'
import type { ConfiguredDefinitions } from '../../agent/local/definitions.ts'
import type { LocalStateApi } from '../../agent/local/types.ts'

export class DefinitionReload {
  readonly #local: LocalStateApi
  #services: ReadonlyMap<string, ConfiguredDefinitions['services'][number]>
  #checks: ReadonlyMap<string, ConfiguredDefinitions['checks'][number]>

  constructor(local: LocalStateApi, current: ConfiguredDefinitions) {
    this.#local = local
    this.#services = byServiceId(current)
    this.#checks = byCheckId(current)
  }

  async apply(wanted: ConfiguredDefinitions): Promise<void> {
    const services = byServiceId(wanted)
    const checks = byCheckId(wanted)
    for (const id of missing(this.#checks, checks)) {
      if (this.#local.checks().has(id)) await this.#local.deregisterCheck(id)
    }
    for (const id of missing(this.#services, services)) {
      if (this.#local.services().has(id)) await this.#local.deregisterService(id)
    }
    for (const [id, registration] of services) {
      if (isDeepStrictEqual(this.#services.get(id), registration)) continue
      await this.#local.registerService(registration, {
        source: 'config',
        replaceExistingChecks: true,
      })
    }
    for (const [id, check] of checks) {
      if (isDeepStrictEqual(this.#checks.get(id), check)) continue
      await this.#local.registerCheck(check.spec, 'config', check.token)
    }
    this.#services = services
    this.#checks = checks
  }
}

function byServiceId(definitions: ConfiguredDefinitions) {
  return new Map(definitions.services.map((item) => [item.service.id, item]))
}

function byCheckId(definitions: ConfiguredDefinitions) {
  return new Map(definitions.checks.map((item) => [item.spec.checkId, item]))
}

function missing(
  former: ReadonlyMap<string, unknown>,
  wanted: ReadonlyMap<string, unknown>,
): readonly string[] {
  return [...former.keys()].filter((id) => !wanted.has(id))
}
