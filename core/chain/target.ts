/**
 * Targets of a chain before they are resolved: where calls go, their ids and names (mesh.md 1.4, 9.3).
 */

import type { Reference } from './entries.ts'

/** '' in `datacenter` only with a peer. */
export interface Place {
  readonly service: string
  readonly subset: string
  readonly datacenter: string
  readonly peer: string
}

export function placeId(place: Place): string {
  const subset = place.subset === '' ? '' : `${place.subset}.`
  if (place.peer !== '') return `${subset}${place.service}.default.default.external.${place.peer}`
  return `${subset}${place.service}.default.default.${place.datacenter}`
}

/** The name under which proxies of the place are reached (SNI), and of its cluster. */
export function placeSni(place: Place, trustDomain: string): string {
  if (place.peer !== '') {
    return `${place.service}.default.default.${place.peer}.external.${trustDomain}`
  }
  const subset = place.subset === '' ? '' : `${place.subset}.`
  return `${subset}${place.service}.default.${place.datacenter}.internal.${trustDomain}`
}

/** Another service has other subsets, so the old one goes; what the reference says wins. */
export function rewritten(
  place: Place,
  reference: Reference,
  { localDatacenter }: { readonly localDatacenter: string },
): Place {
  const isOther = reference.service !== '' && reference.service !== place.service
  const isAbroad = reference.peer !== ''
  return {
    service: isOther ? reference.service : place.service,
    subset: reference.subset || (isOther ? '' : place.subset),
    datacenter: isAbroad ? '' : reference.datacenter || place.datacenter || localDatacenter,
    peer: reference.peer,
  }
}
