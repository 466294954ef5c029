/**
 * The body of a PUT of autopilot's settings (http-api.md 20): what is left out takes its default.
 */

import { AUTOPILOT_DEFAULTS } from '../../../core/autopilot/defaults.ts'
import type { AutopilotSettings } from '../../../core/autopilot/types.ts'
import { decodeBody } from '../../../core/decode/body.ts'
import { boolean, durationMs, integer, opaque, string } from '../../../core/decode/decoder.ts'
import { field, object, optional } from '../../../core/decode/object.ts'
import { FairleadError, toFairleadError } from '../../../core/errors.ts'

const D = AUTOPILOT_DEFAULTS

const FIELDS = {
  cleanupDeadServers: field('CleanupDeadServers', boolean, D.cleanupDeadServers),
  lastContactThresholdMs: field('LastContactThreshold', durationMs, D.lastContactThresholdMs),
  maxTrailingLogs: field('MaxTrailingLogs', integer, D.maxTrailingLogs),
  minQuorum: field('MinQuorum', integer, D.minQuorum),
  serverStabilizationTimeMs: field(
    'ServerStabilizationTime',
    durationMs,
    D.serverStabilizationTimeMs,
  ),
  redundancyZoneTag: field('RedundancyZoneTag', string, D.redundancyZoneTag),
  disableUpgradeMigration: field('DisableUpgradeMigration', boolean, D.disableUpgradeMigration),
  upgradeVersionTag: field('UpgradeVersionTag', string, D.upgradeVersionTag),
  // What a GET printed may be sent back.
  createIndex: optional('CreateIndex', opaque),
  modifyIndex: optional('ModifyIndex', opaque),
}
const SETTINGS = object('AutopilotConfiguration', FIELDS)

const PREFIX = 'Error parsing autopilot config: '

/** @throws FairleadError BAD_REQUEST */
export function autopilotFromBody(body: string): AutopilotSettings {
  const { createIndex: _, modifyIndex: __, ...settings } = decoded(body)
  for (const [name, value] of Object.entries(settings)) {
    if (typeof value !== 'number' || (Number.isSafeInteger(value) && value >= 0)) continue
    const shown = FIELDS[name as keyof typeof settings].name
    throw new FairleadError(
      'BAD_REQUEST',
      `${PREFIX}${shown} must be a whole number (of milliseconds, for durations) of at least 0`,
    )
  }
  return settings
}

function decoded(body: string) {
  try {
    return decodeBody(SETTINGS, body)
  } catch (thrown) {
    const { message } = toFairleadError(thrown)
    const reason = message.replace('Request decode failed: ', '')
    throw new FairleadError('BAD_REQUEST', PREFIX + reason, { cause: thrown })
  }
}
