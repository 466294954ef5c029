/**
 * /fairlead/v1/sidecars: who serves the sidecars of this host. Fairlead's own; Consul knows nothing of its proxies.
 */

import type { SidecarState } from '../../mesh/sidecar-api.ts'
import { jsonReply } from '../reply.ts'
import type { Route } from '../route.ts'

export const SIDECAR_ROUTES: readonly Route[] = [
  {
    path: '/fairlead/v1/sidecars',
    doc: 'Who serves each sidecar of this host, and whether it took what it was told (Fairlead)',
    methods: {
      GET: (call) =>
        jsonReply(JSON.stringify((call.agent.sidecars?.states() ?? []).map(sidecarJson))),
    },
  },
]

function sidecarJson(state: SidecarState): object {
  return {
    ID: state.sidecarId,
    Service: state.service,
    DataPlane: state.dataPlane,
    Program: state.program,
    State: state.state,
    Since: state.since === undefined ? null : new Date(state.since).toISOString(),
    Rejections: state.rejections.map(({ resources, reason, fix }) => ({
      Resources: resources,
      Reason: reason,
      Fix: fix,
    })),
  }
}
