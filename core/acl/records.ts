/**
 * Tokens, policies, roles, auth methods and binding rules, as the state store keeps them (http-api.md 24).
 *
 * A link names what it links to by its id; the name beside it is filled in when it is read, and may stand for
 * the id when it is written. The secret of a token is kept as its digest alone.
 */

import type { Indexed, JsonObject, StringMap } from '../catalog/types.ts'
import type { Rule } from './rule.ts'

export interface Link {
  readonly id: string
  readonly name: string
}

export interface ServiceIdentity {
  readonly serviceName: string
  /** Empty for all. */
  readonly datacenters: readonly string[]
}

export interface NodeIdentity {
  readonly nodeName: string
  readonly datacenter: string
}

export interface TemplatedPolicyLink {
  readonly templateName: string
  readonly variables: StringMap
  readonly datacenters: readonly string[]
}

/** What tokens and roles give to who has them. */
export interface Grants {
  readonly policies: readonly Link[]
  readonly serviceIdentities: readonly ServiceIdentity[]
  readonly nodeIdentities: readonly NodeIdentity[]
  readonly templatedPolicies: readonly TemplatedPolicyLink[]
}

export interface TokenRecord extends Grants, Indexed {
  readonly accessorId: string
  readonly secretHash: string
  readonly description: string
  readonly roles: readonly Link[]
  readonly local: boolean
  /** '' for tokens that nobody logged in for. */
  readonly authMethod: string
  /** Epoch milliseconds; 0 for never. */
  readonly expiresAt: number
  readonly createdAt: number
}

/** A token on its way in: the leader stamps the times. */
export type TokenWrite = Omit<TokenRecord, keyof Indexed | 'createdAt' | 'expiresAt'> & {
  /** From now; 0 for ever. */
  readonly ttlMs: number
}

export interface PolicyRecord extends Indexed {
  readonly id: string
  readonly name: string
  readonly description: string
  readonly rules: string
  readonly datacenters: readonly string[]
}

export type PolicyWrite = Omit<PolicyRecord, keyof Indexed>

export interface RoleRecord extends Grants, Indexed {
  readonly id: string
  readonly name: string
  readonly description: string
}

export type RoleWrite = Omit<RoleRecord, keyof Indexed>

export interface AuthMethodRecord extends Indexed {
  readonly name: string
  readonly type: string
  readonly displayName: string
  readonly description: string
  /** Go duration, '' for none. */
  readonly maxTokenTtl: string
  readonly tokenLocality: string
  readonly config: JsonObject
}

export type AuthMethodWrite = Omit<AuthMethodRecord, keyof Indexed>

export interface BindingRuleRecord extends Indexed {
  readonly id: string
  readonly description: string
  readonly authMethod: string
  readonly selector: string
  readonly bindType: string
  readonly bindName: string
  readonly bindVars: StringMap
}

export type BindingRuleWrite = Omit<BindingRuleRecord, keyof Indexed>

/** What servers tell an agent about the token of a request. */
export interface ResolvedToken {
  readonly accessorId: string
  readonly rules: readonly Rule[]
  /** Epoch milliseconds; 0 for never. */
  readonly expiresAt: number
}
