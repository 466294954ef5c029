/**
 * Which sidecar a command is for, as `-proxy-id` or `-sidecar-for` name it, and what its agent says of it.
 */

import type { ApiClient } from '../api-client.ts'
import { type Arguments, type CliContext, type FlagSpec, flag, UsageError } from '../command.ts'

export const SIDECAR_FLAGS: readonly FlagSpec[] = [
  flag('sidecar-for', 'id', 'id of the service whose sidecar is served (CONNECT_SIDECAR_FOR)'),
  flag('proxy-id', 'id', 'id of the sidecar itself (CONNECT_PROXY_ID)'),
]

export interface Sidecar {
  readonly id: string
  /** Its own name. */
  readonly name: string
  /** Of `Proxy.Config`. */
  readonly config: Readonly<Record<string, unknown>>
}

interface ServiceAnswer {
  readonly ID: string
  readonly Service: string
  readonly Kind?: string
  readonly Proxy?: {
    readonly DestinationServiceID?: string
    readonly Config?: Readonly<Record<string, unknown>> | null
  }
}

/** @throws UsageError when neither flag is given or no single sidecar is meant */
export async function lookUpSidecar(
  args: Arguments,
  context: Pick<CliContext, 'env'>,
  client: ApiClient,
): Promise<Sidecar> {
  const answer = (await client.get('/v1/agent/services')).json()
  const services = Object.values(answer as Record<string, ServiceAnswer>)
  const id =
    args.text('proxy-id') ??
    sidecarOf(services, args.text('sidecar-for')) ??
    (context.env['CONNECT_PROXY_ID'] || undefined) ??
    sidecarOf(services, context.env['CONNECT_SIDECAR_FOR'] || undefined)
  if (id === undefined) {
    throw new UsageError(
      'No proxy ID specified. One of -proxy-id, -sidecar-for, or -gateway is required',
    )
  }
  const service = services.find((each) => each.ID === id)
  if (service === undefined) {
    throw new UsageError(`No proxy with ID "${id}" is registered with the local agent`)
  }
  if (service.Kind !== 'connect-proxy') {
    throw new UsageError(`"${id}" is no sidecar proxy; for a service say -sidecar-for=${id}`)
  }
  return { id, name: service.Service, config: service.Proxy?.Config ?? {} }
}

function sidecarOf(
  services: readonly ServiceAnswer[],
  serviceId: string | undefined,
): string | undefined {
  if (serviceId === undefined) return undefined
  const sidecars = services.filter(
    (each) => each.Kind === 'connect-proxy' && each.Proxy?.DestinationServiceID === serviceId,
  )
  if (sidecars.length > 1) {
    const ids = sidecars.map(({ ID }) => ID).join(', ')
    throw new UsageError(
      `More than one sidecar proxy is registered for ${serviceId}: start one by -proxy-id. Registered: ${ids}`,
    )
  }
  const [sidecar] = sidecars
  if (sidecar !== undefined) return sidecar.ID
  throw new UsageError(
    `No sidecar proxy registered for ${serviceId}; register the service with connect { sidecar_service {} }`,
  )
}
