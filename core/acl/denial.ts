/**
 * Who a caller is and how a refusal reads (http-api.md 2.2): it names the token, the right and the thing. Pure.
 *
 * Never names a secret.
 */

import { FairleadError } from '../errors.ts'
import type { Authorizer } from './authorizer.ts'
import type { Access, Resource } from './rule.ts'

export const ANONYMOUS_ACCESSOR = '00000000-0000-0000-0000-000000000002'
export const ANONYMOUS_SECRET = 'anonymous'

/** A token that was found good, and what its bearer may do. */
export interface Bearer {
  readonly accessorId: string
  readonly authorizer: Authorizer
}

export function isAnonymous({ accessorId }: Pick<Bearer, 'accessorId'>): boolean {
  return accessorId === ANONYMOUS_ACCESSOR
}

/** @param name undefined for resources without names. @throws FairleadError PERMISSION_DENIED */
export function assertAllowed(
  bearer: Bearer,
  resource: Resource,
  access: Access,
  name?: string,
): void {
  if (!bearer.authorizer.allows(resource, access, name))
    throw denied(bearer, resource, access, name)
}

export function denied(
  bearer: Pick<Bearer, 'accessorId'>,
  resource: Resource,
  access: Access,
  name?: string,
): FairleadError {
  return new FairleadError('PERMISSION_DENIED', denialText(bearer, resource, access, name))
}

export function denialText(
  bearer: Pick<Bearer, 'accessorId'>,
  resource: Resource,
  access: Access,
  name?: string,
): string {
  const anonymous = isAnonymous(bearer)
  const who = anonymous ? 'anonymous token' : `token with AccessorID '${bearer.accessorId}'`
  const on = name === undefined ? '' : ` on ${JSON.stringify(name)}`
  const why = anonymous
    ? '. The anonymous token is used implicitly when a request does not specify a token.'
    : ''
  return `Permission denied: ${who} lacks permission '${resource}:${access}'${on}${why}`
}

export function tokenNotFound(): FairleadError {
  return new FairleadError('PERMISSION_DENIED', 'ACL not found')
}

/** Access control is off; so says every endpoint about it. */
export function aclDisabled(): FairleadError {
  return new FairleadError('ACL_DISABLED', 'ACL support disabled')
}
