/**
 * Rules of jwt-provider (mesh.md 7.13).
 */

import { fromBase64 } from '../catalog/base64.ts'
import type { JsonObject } from '../catalog/types.ts'
import { durationAt, hasField, objectAt, objectsIn, textAt } from './read-field.ts'

const DISCOVERY_TYPES: ReadonlySet<string> = new Set([
  '',
  'STRICT_DNS',
  'STATIC',
  'LOGICAL_DNS',
  'EDS',
  'ORIGINAL_DST',
])

export function jwtProviderProblem(body: JsonObject): string | undefined {
  return (
    keySetProblem(objectAt(body, 'JSONWebKeySet')) ??
    locationsProblem(objectsIn(body, 'Locations')) ??
    forwardingProblem(objectAt(body, 'Forwarding'))
  )
}

function keySetProblem(set: JsonObject | undefined): string | undefined {
  if (set === undefined) return 'JSONWebKeySet is required'
  const local = objectAt(set, 'Local')
  const remote = objectAt(set, 'Remote')
  if ((local === undefined) === (remote === undefined)) {
    return 'must specify exactly one of Local or Remote JSON Web key set'
  }
  return local === undefined ? remoteProblem(remote) : localProblem(local)
}

function localProblem(local: JsonObject): string | undefined {
  const keys = textAt(local, 'JWKS')
  if ((keys === '') === (textAt(local, 'Filename') === '')) {
    return 'must specify exactly one of String or filename for local keyset'
  }
  if (keys !== '' && fromBase64(keys) === undefined) {
    return 'JWKS must be valid base64 encoded string'
  }
  return undefined
}

function remoteProblem(remote: JsonObject | undefined): string | undefined {
  const uri = textAt(remote, 'URI')
  if (uri === '') return 'Remote JWKS URI is required'
  if (!/^https?:\/\/[^\s]+$/i.test(uri)) return `Remote JWKS URI is invalid: "${uri}"`
  const backoff = objectAt(objectAt(remote, 'RetryPolicy'), 'RetryPolicyBackOff')
  const max = durationAt(backoff, 'MaxInterval')
  if (max !== 0 && max < durationAt(backoff, 'BaseInterval')) {
    return "retry policy backoff's MaxInterval should be greater or equal to BaseInterval"
  }
  const cluster = objectAt(remote, 'JWKSCluster')
  const type = textAt(cluster, 'DiscoveryType')
  if (!DISCOVERY_TYPES.has(type)) return `unsupported jwks cluster discovery type: "${type}"`
  const certificates = objectAt(cluster, 'TLSCertificates')
  if (
    hasField(certificates, 'CaCertificateProviderInstance') &&
    hasField(certificates, 'TrustedCA')
  ) {
    return 'must specify exactly one of: CaCertificateProviderInstance or TrustedCA for JKWS'
  }
  return undefined
}

function locationsProblem(locations: readonly JsonObject[]): string | undefined {
  for (const location of locations) {
    const given = ['Header', 'QueryParam', 'Cookie'].filter((field) => hasField(location, field))
    if (given.length !== 1) {
      return 'must set exactly one of: JWT location header, query param or cookie'
    }
    if (textAt(objectAt(location, given[0] ?? ''), 'Name') === '') {
      return `JWT location ${(given[0] ?? '').toLowerCase()} must have a name`
    }
  }
  return undefined
}

function forwardingProblem(forwarding: JsonObject | undefined): string | undefined {
  if (forwarding === undefined || textAt(forwarding, 'HeaderName') !== '') return undefined
  return 'Header name required for forwarding config'
}
