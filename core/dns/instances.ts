/**
 * Healthy instances of a service, prepared for answering (dns.md sections 3, 4.1, 4.3).
 *
 * Guarantees: an instance with any critical check, node checks included, is never in the list. What is
 * derived from one entry is kept as long as the entry lives, so a change of one instance among thousands
 * costs a pass over a list and no parsing.
 */

import type { HealthEntry, NodeRecord, ServiceRecord } from '../catalog/types.ts'
import { type AddressChoice, nodeAddress, serviceAddress } from './addresses.ts'
import { TYPE } from './protocol.ts'

export interface HealthyInstance {
  readonly node: NodeRecord
  readonly service: ServiceRecord
  /** Weight by the worst status of its checks, 16 bits. */
  readonly weight: number
  /** Lower case. */
  readonly tags: readonly string[]
  readonly ipv4: AddressChoice
  readonly ipv6: AddressChoice
  readonly any: AddressChoice
  /** `any` is the service's own address rather than its node's. */
  readonly hasOwnAddress: boolean
}

export class InstanceList {
  readonly #onlyPassing: boolean
  readonly #prepared = new WeakMap<HealthEntry, HealthyInstance | null>()

  constructor(options: { readonly onlyPassing: boolean }) {
    this.#onlyPassing = options.onlyPassing
  }

  healthy(entries: Iterable<HealthEntry>): readonly HealthyInstance[] {
    const healthy: HealthyInstance[] = []
    for (const entry of entries) {
      let instance = this.#prepared.get(entry)
      if (instance === undefined) {
        instance = isHealthy(entry, this.#onlyPassing) ? prepare(entry) : null
        this.#prepared.set(entry, instance)
      }
      if (instance !== null) healthy.push(instance)
    }
    return healthy
  }
}

/** Of entries that are healthy already, in the order given. */
export function preparedInstances(entries: readonly HealthEntry[]): readonly HealthyInstance[] {
  return entries.map(prepare)
}

export function withTag(
  instances: readonly HealthyInstance[],
  tag: string,
): readonly HealthyInstance[] {
  return tag === '' ? instances : instances.filter((instance) => instance.tags.includes(tag))
}

export function addressFor(instance: HealthyInstance, type: number): AddressChoice {
  if (type === TYPE.A) return instance.ipv4
  return type === TYPE.AAAA ? instance.ipv6 : instance.any
}

function isHealthy(entry: HealthEntry, onlyPassing: boolean): boolean {
  return entry.checks.every(({ status }) => {
    return status === 'passing' || (status === 'warning' && !onlyPassing)
  })
}

function prepare(entry: HealthEntry): HealthyInstance {
  const { node, service } = entry
  const own = serviceAddress(service, TYPE.ANY)
  const hasOwnAddress = own.kind !== 'none'
  return {
    node,
    service,
    weight: weightOf(entry),
    tags: service.tags.map((tag) => tag.toLowerCase()),
    ipv4: orNode(serviceAddress(service, TYPE.A), node, TYPE.A),
    ipv6: orNode(serviceAddress(service, TYPE.AAAA), node, TYPE.AAAA),
    any: hasOwnAddress ? own : nodeAddress(node, TYPE.ANY),
    hasOwnAddress,
  }
}

function orNode(choice: AddressChoice, node: NodeRecord, type: number): AddressChoice {
  return choice.kind === 'none' ? nodeAddress(node, type) : choice
}

function weightOf(entry: HealthEntry): number {
  const { service, checks } = entry
  const name = service.service
  const isWarning = checks.some((check) => {
    return check.status === 'warning' && (check.serviceName === '' || check.serviceName === name)
  })
  return (isWarning ? service.weights.warning : service.weights.passing) & 0xffff
}
