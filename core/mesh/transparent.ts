/**
 * Transparent access: the listeners that take connections to virtual addresses, which the packet filter of the
 * host sends there (mesh.md 13.2, docs/decisions/0027). Pure.
 *
 * Every mesh service has, beside its address 240.0.0.0 + offset, the same offset in the loopback range of this host;
 * a rule turns the one into the other, and any port into that of the sidecar's outbound listener. So the address that a
 * connection arrives on says which service was meant, and nobody has to know the original destination.
 */

import type { ServiceDefinition, VirtualIpRecord } from '../catalog/types.ts'
import { localProxies, virtualServices } from './demand.ts'
import type { BindAddress } from './proxy-snapshot.ts'
import { virtualAddress } from './virtual-address.ts'

export const OUTBOUND_PORT = 15_001

export interface TransparentListener {
  readonly id: string
  readonly sidecar: ServiceDefinition
  readonly service: string
  readonly bind: BindAddress
}

interface TransparentInputs {
  /** With what config entries say of them. */
  readonly services: readonly ServiceDefinition[]
  readonly virtualIps: readonly VirtualIpRecord[]
  readonly loopbackBase: string
}

/** One for each transparent sidecar and mesh service. */
export function transparentListeners(inputs: TransparentInputs): TransparentListener[] {
  const listeners: TransparentListener[] = []
  for (const sidecar of localProxies(inputs.services)) {
    const port = outboundPortOf(sidecar)
    if (port === undefined) continue
    for (const { service, offset } of virtualServices(inputs.virtualIps)) {
      listeners.push({
        id: `transparent:${sidecar.id}:${service}`,
        sidecar,
        service,
        bind: { address: virtualAddress(inputs.loopbackBase, offset), port },
      })
    }
  }
  return listeners
}

/** @returns undefined for a sidecar that is not transparent */
function outboundPortOf({ proxy }: ServiceDefinition): number | undefined {
  if (proxy?.mode !== 'transparent') return undefined
  return proxy.transparentProxy?.outboundListenerPort || OUTBOUND_PORT
}
