/**
 * Metrics of the HTTP API.
 */

import { sample } from '../definition.ts'

export const API_METRICS = {
  http: sample(
    'api.http',
    'Milliseconds from the head of a request to the end of its answer; blocking reads count while they wait',
    ['method', 'path'],
  ),
} as const
