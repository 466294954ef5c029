/**
 * Whether this agent may run a check at all: scripts need a switch, some types do not exist here.
 *
 * Source: http-api.md 9.7, agent-config.md 18.
 */

import { FairleadError } from '../../core/errors.ts'
import { checkTypeOf } from './check-type.ts'
import type { CheckSpec, RegistrationSource } from './types.ts'

export interface ScriptPermission {
  /** Scripts of the HTTP API and of files. */
  readonly enableScripts: boolean
  /** Scripts of files only. */
  readonly enableLocalScripts: boolean
}

/** @throws FairleadError REJECTED (scripts are off) | NOT_SUPPORTED (docker, os_service) */
export function assertRunnable(
  spec: CheckSpec,
  source: RegistrationSource,
  permission: ScriptPermission,
): void {
  const type = checkTypeOf(spec)
  if (spec.script !== undefined || spec.docker !== undefined) {
    assertScriptsEnabled(source, permission)
  }
  if (type === 'docker') {
    throw new FairleadError(
      'NOT_SUPPORTED',
      `Docker checks are not supported: check "${spec.name}" can run as a script that calls docker itself`,
    )
  }
  // Consul's own words outside Windows, where alone it has this check: clients know them.
  if (type === 'os_service') {
    throw new FairleadError(
      'NOT_SUPPORTED',
      `not implemented: os_service check "${spec.name}" needs Windows; use a script check that asks systemctl`,
    )
  }
}

function assertScriptsEnabled(source: RegistrationSource, permission: ScriptPermission): void {
  if (permission.enableScripts) return
  if (source === 'config' && permission.enableLocalScripts) return
  throw new FairleadError(
    'REJECTED',
    source === 'api' && permission.enableLocalScripts
      ? "Scripts are disabled on this agent from remote calls; to enable, configure 'enable_script_checks' to true"
      : "Scripts are disabled on this agent; to enable, configure 'enable_script_checks' or 'enable_local_script_checks' to true",
  )
}
