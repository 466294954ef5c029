/**
 * Autopilot's settings where nobody chose others (agent-config.md 3.5).
 */

import type { AutopilotSettings } from './types.ts'

export const AUTOPILOT_DEFAULTS: AutopilotSettings = {
  cleanupDeadServers: true,
  lastContactThresholdMs: 200,
  maxTrailingLogs: 250,
  minQuorum: 0,
  serverStabilizationTimeMs: 10_000,
  redundancyZoneTag: '',
  disableUpgradeMigration: false,
  upgradeVersionTag: '',
}
