/**
 * Rules of exported-services (mesh.md 7.8).
 */

import type { JsonObject } from '../catalog/types.ts'
import { objectsIn, textAt } from './read-field.ts'

export function exportedServicesProblem(body: JsonObject): string | undefined {
  for (const [i, service] of objectsIn(body, 'Services').entries()) {
    const problem = serviceProblem(service)
    if (problem !== undefined) return `Services[${i}]${problem}`
  }
  return undefined
}

function serviceProblem(service: JsonObject): string | undefined {
  if (textAt(service, 'Name') === '') return ': service name cannot be empty'
  const consumers = objectsIn(service, 'Consumers')
  if (consumers.length === 0) return ': must have at least one consumer'
  for (const [j, consumer] of consumers.entries()) {
    const given = ['Peer', 'PeerName', 'Partition', 'SamenessGroup'].filter(
      (field) => textAt(consumer, field) !== '',
    )
    const at = `.Consumers[${j}]`
    if (given.length > 1) {
      return `${at}: must define at most one of Peer, Partition, or SamenessGroup`
    }
    if (given.length === 0) return `${at}: must define a Peer`
    if (textAt(consumer, 'Peer') === '*' || textAt(consumer, 'PeerName') === '*') {
      return `${at}: exporting to all peers (wildcard) is not supported`
    }
  }
  return undefined
}
