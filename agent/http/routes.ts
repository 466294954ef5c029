/**
 * All routes of the HTTP API, in one list (http-api.md section 28).
 */

import type { Route } from './route.ts'
import { ACL_AGENT_ROUTES } from './routes/acl-agent.ts'
import { ACL_METHOD_ROUTES } from './routes/acl-methods.ts'
import { ACL_POLICY_ROUTES } from './routes/acl-policies.ts'
import { ACL_TOKEN_ROUTES } from './routes/acl-tokens.ts'
import { AGENT_CHECK_ROUTES } from './routes/agent-checks.ts'
import { AGENT_HEALTH_ROUTES } from './routes/agent-health.ts'
import { AGENT_POOL_ROUTES } from './routes/agent-pool.ts'
import { AGENT_PROXY_ROUTES } from './routes/agent-proxy.ts'
import { AGENT_SELF_ROUTES } from './routes/agent-self.ts'
import { AGENT_SERVICE_ROUTES } from './routes/agent-services.ts'
import { AGENT_TELEMETRY_ROUTES } from './routes/agent-telemetry.ts'
import { CA_REVOCATION_ROUTES } from './routes/ca-revocations.ts'
import { CATALOG_ROUTES } from './routes/catalog.ts'
import { CATALOG_WRITE_ROUTES } from './routes/catalog-writes.ts'
import { CONFIG_ROUTES } from './routes/config.ts'
import { CONNECT_ROUTES } from './routes/connect.ts'
import { COORDINATE_ROUTES } from './routes/coordinates.ts'
import { DEBUG_ROUTES } from './routes/debug.ts'
import { DISCOVERY_CHAIN_ROUTES } from './routes/discovery-chain.ts'
import { EVENT_ROUTES } from './routes/events.ts'
import { FEDERATION_ROUTES } from './routes/federation.ts'
import { GATEWAY_ROUTES } from './routes/gateways.ts'
import { HEALTH_ROUTES } from './routes/health.ts'
import { INTENTION_ROUTES } from './routes/intentions.ts'
import { JOIN_TOKEN_ROUTES } from './routes/join-tokens.ts'
import { KEYRING_ROUTES } from './routes/keyring.ts'
import { KV_ROUTES } from './routes/kv.ts'
import { METRICS_PROXY_ROUTES } from './routes/metrics-proxy.ts'
import { OPERATOR_ROUTES } from './routes/operator.ts'
import { QUERY_ROUTES } from './routes/queries.ts'
import { SESSION_ROUTES } from './routes/sessions.ts'
import { SIDECAR_ROUTES } from './routes/sidecars.ts'
import { SNAPSHOT_ROUTES } from './routes/snapshot.ts'
import { STATUS_ROUTES } from './routes/status.ts'
import { TXN_ROUTES } from './routes/txn.ts'
import { UI_ROUTES } from './routes/ui.ts'
import { VIRTUAL_IP_ROUTES } from './routes/virtual-ips.ts'
import { UNSUPPORTED_ROUTES } from './unsupported-routes.ts'

export const ROUTES: readonly Route[] = [
  ...STATUS_ROUTES,
  ...AGENT_SELF_ROUTES,
  ...AGENT_SERVICE_ROUTES,
  ...AGENT_CHECK_ROUTES,
  ...AGENT_HEALTH_ROUTES,
  ...AGENT_POOL_ROUTES,
  ...SIDECAR_ROUTES,
  ...AGENT_TELEMETRY_ROUTES,
  ...AGENT_PROXY_ROUTES,
  ...CATALOG_ROUTES,
  ...CATALOG_WRITE_ROUTES,
  ...HEALTH_ROUTES,
  ...COORDINATE_ROUTES,
  ...KV_ROUTES,
  ...CONFIG_ROUTES,
  ...DISCOVERY_CHAIN_ROUTES,
  ...CONNECT_ROUTES,
  ...CA_REVOCATION_ROUTES,
  ...JOIN_TOKEN_ROUTES,
  ...VIRTUAL_IP_ROUTES,
  ...INTENTION_ROUTES,
  ...SESSION_ROUTES,
  ...TXN_ROUTES,
  ...QUERY_ROUTES,
  ...OPERATOR_ROUTES,
  ...KEYRING_ROUTES,
  ...EVENT_ROUTES,
  ...SNAPSHOT_ROUTES,
  ...GATEWAY_ROUTES,
  ...FEDERATION_ROUTES,
  ...UI_ROUTES,
  ...METRICS_PROXY_ROUTES,
  ...DEBUG_ROUTES,
  ...ACL_TOKEN_ROUTES,
  ...ACL_POLICY_ROUTES,
  ...ACL_METHOD_ROUTES,
  ...ACL_AGENT_ROUTES,
  ...UNSUPPORTED_ROUTES,
]
