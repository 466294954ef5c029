/**
 * Autopilot's settings as replicated state: one record, replaced as a whole (http-api.md 20).
 *
 * Values were checked before they were proposed. A write that leaves them as they are moves no index.
 */

import type { AutopilotConfig } from '../autopilot/types.ts'
import type { Command } from './commands.ts'
import { type Draft, touchTable } from './draft.ts'
import { sameData } from './equality.ts'

/** @returns false when `cas` is given and is not the modify index of the settings (0: none yet) */
export function setAutopilotConfig(
  draft: Draft,
  { config, cas }: Extract<Command, { kind: 'autopilot.config.set' }>,
): boolean {
  const existing = draft.next.autopilot
  if (cas !== undefined && cas !== (existing?.modifyIndex ?? 0)) return false
  const record: AutopilotConfig = {
    ...config,
    createIndex: existing?.createIndex ?? draft.index,
    modifyIndex: existing?.modifyIndex ?? draft.index,
  }
  if (existing !== null && sameData(existing, record)) return true
  draft.next.autopilot = { ...record, modifyIndex: draft.index }
  touchTable(draft, 'autopilot')
  return true
}
