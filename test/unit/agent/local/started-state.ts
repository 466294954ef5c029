/**
 * A local state in memory and virtual time, and what tests do with it.
 */

import {
  checkRegistrationFromBody,
  serviceRegistrationFromBody,
} from '../../../../agent/local/definitions.ts'
import { LocalState, type LocalStateOptions } from '../../../../agent/local/local-state.ts'
import { silentLogger } from '../../../../core/log.ts'
import { ManualClock } from '../../../../runtime/clock/manual-clock.ts'

const OPTIONS: LocalStateOptions = {
  nodeName: 'vm-a',
  nodeId: '6f1a4c0e-51d6-7f5b-2a44-0d6a0b6f2b11',
  nodeMeta: { rack: 'r7' },
  sidecarPorts: { min: 21_000, max: 21_255 },
  scripts: { enableScripts: false, enableLocalScripts: false },
  outputMaxSize: 4096,
  discardOutput: false,
  definitions: { services: [], checks: [] },
}

export async function started(options: Partial<LocalStateOptions> = {}) {
  const clock = new ManualClock()
  const state = new LocalState({ ...OPTIONS, ...options }, { clock, log: silentLogger })
  await state.start()
  return { clock, state }
}

export async function register(state: LocalState, body: object, replaceExistingChecks = false) {
  await state.registerService(serviceRegistrationFromBody(body), {
    source: 'api',
    replaceExistingChecks,
  })
}

export async function addCheck(state: LocalState, body: object) {
  await state.registerCheck(checkRegistrationFromBody(body).spec, 'api', '')
}

export const checkIds = (state: LocalState): readonly string[] => [...state.checks().keys()].sort()

export function statusOf(state: LocalState, id: string): readonly (string | undefined)[] {
  const check = state.checks().get(id)?.check
  return [check?.status, check?.output]
}
