/**
 * All routes of the HTTP API, in one list (http-api.md section 28).
 */

import type { Route } from './route.ts'
import { AGENT_SELF_ROUTES } from './routes/agent-self.ts'
import { CATALOG_ROUTES } from './routes/catalog.ts'
import { HEALTH_ROUTES } from './routes/health.ts'
import { KV_ROUTES } from './routes/kv.ts'
import { STATUS_ROUTES } from './routes/status.ts'
import { UNSUPPORTED_ROUTES } from './unsupported-routes.ts'

export const ROUTES: readonly Route[] = [
  ...STATUS_ROUTES,
  ...AGENT_SELF_ROUTES,
  ...CATALOG_ROUTES,
  ...HEALTH_ROUTES,
  ...KV_ROUTES,
  ...UNSUPPORTED_ROUTES,
]
