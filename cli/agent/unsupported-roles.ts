/**
 * Roles that the configuration can name and this version cannot play yet.
 *
 * A single server, with an agent in the same process, is what works; several servers and agents that join
 * them need the cluster transport, which is not there yet. Refused at start rather than left waiting.
 */

import type { AgentConfig } from '../../core/config/model.ts'
import type { ConfigProblem } from '../../core/config/problem.ts'

export function unsupportedRoles(config: AgentConfig): readonly ConfigProblem[] {
  const problems: ConfigProblem[] = []
  const add = (key: string, message: string, fix: string): void => {
    problems.push({ key, message, origin: '', fix })
  }
  if (!config.server) {
    add(
      'server',
      'server = false is not supported yet: an agent cannot join servers on other hosts in this version',
      'add -server -bootstrap-expect 1, or -dev',
    )
  } else if (config.bootstrapExpect > 1) {
    add(
      'bootstrap_expect',
      `bootstrap_expect = ${config.bootstrapExpect} is not supported yet: this version runs a single server`,
      'use -bootstrap-expect 1',
    )
  } else if (config.bootstrapExpect === 0) {
    add(
      'bootstrap_expect',
      'bootstrap_expect = 0 is not supported yet: this server would wait to be added by others for ever',
      'add -bootstrap-expect 1',
    )
  }
  return problems
}

/** A sole server serves without them, so the same configuration keeps working when joining arrives. */
export function unusedJoinAddresses(config: AgentConfig): readonly string[] {
  if (config.retryJoin.length === 0) return []
  const given = JSON.stringify(config.retryJoin)
  return [`retry_join = ${given} is not used: this version cannot join other servers`]
}
