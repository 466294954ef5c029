/**
 * /v1/internal/federation-state: mesh gateways of each datacentre, of which there is one (http-api.md 26).
 */

import type { HealthEntry } from '../../../core/catalog/types.ts'
import { healthEntriesOf } from '../../../core/ui/service-summary.ts'
import type { HttpCall } from '../call.ts'
import { readParameters } from '../query-options.ts'
import { askWith } from '../reading.ts'
import { emptyReply, jsonReply, type Reply, textReply } from '../reply.ts'
import type { Route } from '../route.ts'
import { healthEntriesJson } from '../wire/health-entry.ts'
import { text, time } from '../wire/json.ts'

export const FEDERATION_ROUTES: readonly Route[] = [
  {
    path: '/v1/internal/federation-states',
    doc: 'The datacentres with their mesh gateways',
    blocking: true,
    methods: { GET: states },
  },
  {
    path: '/v1/internal/federation-states/mesh-gateways',
    doc: 'Mesh gateways by datacentre',
    blocking: true,
    methods: { GET: meshGateways },
  },
  {
    path: '/v1/internal/federation-state/',
    doc: 'A datacentre with its mesh gateways',
    blocking: true,
    methods: { GET: state },
  },
]

async function states(call: HttpCall): Promise<Reply> {
  const { gateways, index, headers } = await readGateways(call)
  return jsonReply(`[${stateJson(call, gateways, index)}]`, headers)
}

async function meshGateways(call: HttpCall): Promise<Reply> {
  const { gateways, headers } = await readGateways(call)
  const { datacenter } = call.agent.config
  const json = gateways.length === 0 ? '{}' : `{${text(datacenter)}:${healthEntriesJson(gateways)}}`
  return jsonReply(json, headers)
}

async function state(call: HttpCall): Promise<Reply> {
  if (call.suffix === '') return textReply(400, 'Missing datacenter name')
  const { gateways, index, headers } = await readGateways(call)
  const isKnown = call.suffix.toLowerCase() === call.agent.config.datacenter
  if (!isKnown) return emptyReply(404, headers)
  return jsonReply(`{"State":${stateJson(call, gateways, index)}}`, headers)
}

function stateJson({ agent }: HttpCall, gateways: readonly HealthEntry[], index: number): string {
  return (
    `{"Datacenter":${text(agent.config.datacenter)},"MeshGateways":${healthEntriesJson(gateways)},` +
    `"UpdatedAt":${time(0)},"PrimaryModifyIndex":${index},"CreateIndex":1,"ModifyIndex":${index}}`
  )
}

async function readGateways(call: HttpCall): Promise<{
  readonly gateways: readonly HealthEntry[]
  readonly index: number
  readonly headers: readonly string[]
}> {
  const answer = await askWith(call, readParameters(call), 'catalog.dump', {})
  const gateways = answer.value
    .flatMap(healthEntriesOf)
    .filter(({ service }) => service.kind === 'mesh-gateway')
  return { gateways, index: answer.index, headers: answer.headers }
}
