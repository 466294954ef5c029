/**
 * Metrics of counting itself, and of sending figures away.
 */

import { counter } from '../definition.ts'

export const TELEMETRY_METRICS = {
  seriesFolded: counter(
    'telemetry.series_folded',
    'Look-ups of a series that were counted as `other`, because its metric has too many sets of labels',
  ),
} as const
