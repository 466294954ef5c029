/**
 * A jwt-provider entry as the proxy obeys it (mesh.md 7.13). Pure; the keys come from who can fetch them.
 */

import type { JsonObject } from '../catalog/types.ts'
import {
  flagAt,
  hasField,
  listAt,
  numberAt,
  objectAt,
  objectsIn,
  textAt,
} from '../config-entries/read-field.ts'
import type { JwtLocation, JwtProviderSpec } from './proxy-snapshot.ts'

const CLOCK_SKEW_S = 30
/** Where tokens are looked for unless a provider says otherwise, in this order. */
const USUAL_LOCATIONS: readonly JwtLocation[] = [
  { kind: 'header', name: 'authorization', prefix: 'Bearer ', isForwarded: false },
  { kind: 'query', name: 'access_token' },
]

/** @param keys of its key set, as JWKs */
export function jwtProviderSpec(
  name: string,
  body: JsonObject,
  keys: readonly JsonObject[],
): JwtProviderSpec {
  const locations = objectsIn(body, 'Locations').flatMap(locationOf)
  const forwarding = objectAt(body, 'Forwarding')
  const skew = hasField(body, 'ClockSkewSeconds')
    ? numberAt(body, 'ClockSkewSeconds')
    : CLOCK_SKEW_S
  return {
    name,
    issuer: textAt(body, 'Issuer'),
    audiences: listAt(body, 'Audiences').filter((each) => typeof each === 'string'),
    locations: locations.length === 0 ? USUAL_LOCATIONS : locations,
    payloadHeader: textAt(forwarding, 'HeaderName').toLowerCase(),
    isPayloadPadded: flagAt(forwarding, 'PadForwardPayloadHeader'),
    clockSkewMs: (skew === 0 ? CLOCK_SKEW_S : skew) * 1000,
    keys,
  }
}

function locationOf(location: JsonObject): JwtLocation[] {
  const header = objectAt(location, 'Header')
  if (header !== undefined) {
    return [
      {
        kind: 'header',
        name: textAt(header, 'Name').toLowerCase(),
        prefix: textAt(header, 'ValuePrefix'),
        isForwarded: flagAt(header, 'Forward'),
      },
    ]
  }
  const query = objectAt(location, 'QueryParam')
  if (query !== undefined) return [{ kind: 'query', name: textAt(query, 'Name') }]
  const cookie = objectAt(location, 'Cookie')
  return cookie === undefined ? [] : [{ kind: 'cookie', name: textAt(cookie, 'Name') }]
}
