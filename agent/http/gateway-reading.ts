/**
 * Reads what gateways stand before: their config entries, and the names that a wildcard of theirs stands for.
 */

import type { NodeDump, ServiceWithNode } from '../../core/catalog/types.ts'
import { type GatewayService, gatewayServices } from '../../core/gateways/gateway-services.ts'
import type { HttpCall } from './call.ts'
import { type ReadParameters, readOptions } from './query-options.ts'

const GATEWAY_KINDS = ['ingress-gateway', 'terminating-gateway'] as const
/** The servers' own. */
const SERVERS = 'consul'

/** Does not block, whatever the request asks. @throws FairleadError of the servers, or the abort reason */
export async function readGatewayServices(
  call: HttpCall,
  parameters: ReadParameters,
  services: readonly string[],
): Promise<readonly GatewayService[]> {
  const options = readOptions(call, { ...parameters, minIndex: 0 })
  const lists = await Promise.all(
    GATEWAY_KINDS.map((entryKind) => call.servers.read('config.list', { entryKind }, options)),
  )
  return gatewayServices(
    lists.flatMap(({ value }) => value),
    services,
  )
}

/** Names that a wildcard can stand for: neither proxies nor gateways nor the servers. */
export function plainServices(instances: readonly ServiceWithNode[]): readonly string[] {
  const names = new Set<string>()
  for (const { service } of instances) {
    if (service.kind === '' && service.service !== SERVERS) names.add(service.service)
  }
  return [...names]
}

export function plainServicesOf(dump: readonly NodeDump[]): readonly string[] {
  return plainServices(
    dump.flatMap(({ node, services }) => services.map((service) => ({ node, service }))),
  )
}
