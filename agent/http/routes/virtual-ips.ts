/**
 * /v1/internal/service-virtual-ip: addresses that an operator gives to services of the mesh besides their own
 * (http-api.md 26, mesh.md 1.6). GET lists all; that is Fairlead's own.
 */

import type { VirtualIpRecord } from '../../../core/catalog/types.ts'
import { decodeBody } from '../../../core/decode/body.ts'
import { list as listOf, string } from '../../../core/decode/decoder.ts'
import { field, object } from '../../../core/decode/object.ts'
import { formatIp, parseIp } from '../../../core/dns/ip.ts'
import { FairleadError } from '../../../core/errors.ts'
import type { HttpCall } from '../call.ts'
import { refuseTenancy } from '../query-options.ts'
import { ask } from '../reading.ts'
import { jsonReply, type Reply } from '../reply.ts'
import type { Route } from '../route.ts'
import { list, text, textList } from '../wire/json.ts'
import { apply } from '../writing.ts'

export const VIRTUAL_IP_ROUTES: readonly Route[] = [
  {
    path: '/v1/internal/service-virtual-ip',
    doc: 'Gives a mesh service virtual addresses besides its own; GET lists those of all (fairlead’s own)',
    blocking: true,
    methods: { GET: virtualIps, PUT: assign },
  },
]

async function virtualIps(call: HttpCall): Promise<Reply> {
  const answer = await ask(call, 'catalog.virtual-ips', {})
  return jsonReply(list(answer.value, virtualIpJson), answer.headers)
}

function virtualIpJson({ service, virtualIp, manualIps = [] }: VirtualIpRecord): string {
  return `{"Service":${text(service)},"VirtualIP":${text(virtualIp)},"ManualVIPs":${textList(manualIps)}}`
}

const ASSIGNMENT = object('Assignment', {
  service: field('Service', string, ''),
  ips: field('ManualVIPs', listOf(string), []),
})

/** The list given takes the place of the service's present one. */
async function assign(call: HttpCall): Promise<Reply> {
  refuseTenancy(call)
  const { service, ips } = decodeBody(ASSIGNMENT, call.bodyText())
  if (service === '') throw bad('Service must name a service of the mesh')
  const outcome = await apply(call, { kind: 'virtual-ip.set', service, ips: ips.map(ipv4Of) })
  if (typeof outcome !== 'string') return jsonReply('{"Found":false,"UnassignedFrom":null}')
  const robbed = JSON.parse(outcome) as readonly string[]
  const names = list(robbed, (name) => `{"ServiceName":{"Name":${text(name)}},"Peer":""}`)
  return jsonReply(`{"Found":true,"UnassignedFrom":${robbed.length === 0 ? 'null' : names}}`)
}

/** In its one spelling. @throws FairleadError BAD_REQUEST */
function ipv4Of(given: string): string {
  const bytes = parseIp(given)
  if (bytes?.length !== 4) throw bad(`ManualVIPs: "${given}" is not a valid IPv4 address`)
  const first = bytes[0] ?? 0
  if (first === 0 || first === 127 || given === '255.255.255.255') {
    throw bad(
      `ManualVIPs: "${given}" is no address of a service: other hosts cannot be reached by it`,
    )
  }
  return formatIp(bytes)
}

function bad(message: string): FairleadError {
  return new FairleadError('BAD_REQUEST', message)
}
