/**
 * A network coordinate as agent/self and /v1/coordinate print it, in seconds (http-api.md 18).
 */

import type { CoordinateRecord } from '../../../core/catalog/types.ts'
import type { Coordinate } from '../../../core/coordinates/coordinate.ts'
import { list, text } from './json.ts'

/** @param coordinate of finite numbers */
export function coordinateJson({ vec, error, adjustment, height }: Coordinate): string {
  return (
    `{"Vec":[${vec.join()}],"Error":${error},` + `"Adjustment":${adjustment},"Height":${height}}`
  )
}

export function placeJson({ node, segment, coordinate }: CoordinateRecord): string {
  return `{"Node":${text(node)},"Segment":${text(segment)},"Coord":${coordinateJson(coordinate)}}`
}

/** @param places of the servers of one datacenter */
export function datacenterPlacesJson(
  datacenter: string,
  places: readonly CoordinateRecord[],
): string {
  return `{"Datacenter":${text(datacenter)},"AreaID":"wan","Coordinates":${list(places, placeJson)}}`
}
