/**
 * The bodies of connect/intentions, and the names in its query parameters (http-api.md 22.5, mesh.md 6).
 *
 * What a client read may be sent back: computed fields are accepted and ignored. Every tenancy but
 * `default` is refused. The rules an intention must obey are the servers'.
 */

import type { IntentionWrite } from '../../../core/catalog/commands.ts'
import { goQuote } from '../../../core/catalog/go-quote.ts'
import type { IntentionJwt, IntentionPermission, JsonObject } from '../../../core/catalog/types.ts'
import { decodeBody } from '../../../core/decode/body.ts'
import { boolean, decode, list, opaque, string, stringMap } from '../../../core/decode/decoder.ts'
import { field, object, optional } from '../../../core/decode/object.ts'
import { FairleadError } from '../../../core/errors.ts'

/** Sources of one service-intentions entry. */
export const SOURCES_MAX = 1024

const HEADER = object('IntentionHTTPHeaderPermission', {
  name: field('Name', string, ''),
  present: field('Present', boolean, false),
  exact: field('Exact', string, ''),
  prefix: field('Prefix', string, ''),
  suffix: field('Suffix', string, ''),
  contains: field('Contains', string, ''),
  regex: field('Regex', string, ''),
  invert: field('Invert', boolean, false),
  ignoreCase: field('IgnoreCase', boolean, false, { alias: 'ignore_case' }),
})
type DecodedHeader = Exclude<ReturnType<typeof HEADER.read>, symbol>

const HTTP = object('IntentionHTTPPermission', {
  pathExact: field('PathExact', string, '', { alias: 'path_exact' }),
  pathPrefix: field('PathPrefix', string, '', { alias: 'path_prefix' }),
  pathRegex: field('PathRegex', string, '', { alias: 'path_regex' }),
  header: field<readonly DecodedHeader[]>('Header', list(HEADER), []),
  methods: field<readonly string[]>('Methods', list(string), []),
})

const CLAIM = object('IntentionJWTClaimVerification', {
  path: field<readonly string[]>('Path', list(string), []),
  value: field('Value', string, ''),
})
type DecodedClaim = Exclude<ReturnType<typeof CLAIM.read>, symbol>

const JWT_PROVIDER = object('IntentionJWTProvider', {
  name: field('Name', string, ''),
  verifyClaims: field<readonly DecodedClaim[]>('VerifyClaims', list(CLAIM), [], {
    alias: 'verify_claims',
  }),
})
type DecodedProvider = Exclude<ReturnType<typeof JWT_PROVIDER.read>, symbol>

const JWT = object('IntentionJWTRequirement', {
  providers: field<readonly DecodedProvider[]>('Providers', list(JWT_PROVIDER), []),
})
type DecodedJwt = Exclude<ReturnType<typeof JWT.read>, symbol>

const PERMISSION = object('IntentionPermission', {
  action: field('Action', string, ''),
  http: optional('HTTP', HTTP),
  jwt: optional('JWT', JWT),
})
type DecodedPermission = Exclude<ReturnType<typeof PERMISSION.read>, symbol>

/** One source of a service-intentions entry, in the spelling it is printed in. */
const SOURCE = object('SourceIntention', {
  name: field('Name', string, ''),
  namespace: field('Namespace', string, ''),
  partition: field('Partition', string, ''),
  peer: field('Peer', string, ''),
  samenessGroup: field('SamenessGroup', string, ''),
  action: field('Action', string, ''),
  permissions: field<readonly DecodedPermission[]>('Permissions', list(PERMISSION), []),
  precedence: optional('Precedence', opaque),
  type: field('Type', string, ''),
  description: field('Description', string, ''),
  legacyId: optional('LegacyID', opaque),
  legacyMeta: optional('LegacyMeta', opaque),
  legacyCreateTime: optional('LegacyCreateTime', opaque),
  legacyUpdateTime: optional('LegacyUpdateTime', opaque),
})
type DecodedSource = Exclude<ReturnType<typeof SOURCE.read>, symbol>

const INTENTION = object('Intention', {
  id: field('ID', string, ''),
  description: field('Description', string, ''),
  sourceNs: field('SourceNS', string, ''),
  sourceName: field('SourceName', string, ''),
  sourcePartition: field('SourcePartition', string, ''),
  sourcePeer: field('SourcePeer', string, ''),
  sourceSamenessGroup: field('SourceSamenessGroup', string, ''),
  sourceType: field('SourceType', string, ''),
  destinationNs: field('DestinationNS', string, ''),
  destinationName: field('DestinationName', string, ''),
  destinationPartition: field('DestinationPartition', string, ''),
  action: field('Action', string, ''),
  permissions: field<readonly DecodedPermission[]>('Permissions', list(PERMISSION), []),
  jwt: optional('JWT', JWT),
  meta: field('Meta', stringMap, {}),
  defaultAddr: optional('DefaultAddr', opaque),
  defaultPort: optional('DefaultPort', opaque),
  precedence: optional('Precedence', opaque),
  createdAt: optional('CreatedAt', opaque),
  updatedAt: optional('UpdatedAt', opaque),
  hash: optional('Hash', opaque),
  createIndex: optional('CreateIndex', opaque),
  modifyIndex: optional('ModifyIndex', opaque),
})

const ENTRY = object('ServiceIntentionsConfigEntry', {
  sources: field<readonly DecodedSource[]>('Sources', list(SOURCE), []),
  jwt: optional('JWT', JWT),
  meta: field('Meta', stringMap, {}),
})

/** @throws FairleadError BAD_REQUEST, NOT_SUPPORTED */
export function intentionFromBody(body: string): IntentionWrite {
  const given = decodeBody(INTENTION, body)
  refuseOthers('Sources[0]', {
    tenants: [
      given.sourceNs,
      given.destinationNs,
      given.sourcePartition,
      given.destinationPartition,
    ],
    peers: given.sourcePeer + given.sourceSamenessGroup,
    type: given.sourceType,
  })
  return {
    id: given.id,
    description: given.description,
    sourceName: given.sourceName,
    destinationName: given.destinationName,
    action: actionOf(given.action, 'Sources[0]'),
    permissions: given.permissions.map((permission, i) =>
      permissionOf(permission, `Sources[0].Permissions[${i}]`),
    ),
    ...jwtField(given.jwt),
    meta: given.meta,
  }
}

/**
 * The rules of a service-intentions entry; its metadata is that of each.
 *
 * @throws FairleadError BAD_REQUEST, REJECTED, NOT_SUPPORTED
 */
export function intentionsOfEntry(destinationName: string, body: JsonObject): IntentionWrite[] {
  const decoded = decode(ENTRY, body, { style: 'json' })
  if (!decoded.ok) {
    throw bad(`Request decoding failed: ${decoded.problems[0]?.message ?? 'invalid value'}`)
  }
  const { sources, jwt, meta } = decoded.value
  if (sources.length === 0) throw rejected('At least one source is required')
  if (sources.length > SOURCES_MAX) {
    throw rejected(`Sources exceeds maximum element count ${SOURCES_MAX}`)
  }
  return sources.map((source, i) => {
    const at = `Sources[${i}]`
    refuseOthers(at, {
      tenants: [source.namespace, source.partition],
      peers: source.peer + source.samenessGroup,
      type: source.type,
    })
    return {
      id: '',
      description: source.description,
      sourceName: source.name,
      destinationName,
      action: actionOf(source.action, at),
      permissions: source.permissions.map((permission, k) =>
        permissionOf(permission, `${at}.Permissions[${k}]`),
      ),
      ...jwtField(jwt),
      meta,
    }
  })
}

/** What exists elsewhere and would change the meaning of a rule if it were passed over. */
function refuseOthers(
  at: string,
  given: {
    readonly tenants: readonly string[]
    /** Peer and sameness group, '' for neither. */
    readonly peers: string
    readonly type: string
  },
): void {
  for (const tenant of given.tenants) {
    if (tenant !== '' && tenant !== 'default')
      throw bad(`unknown namespace or partition "${tenant}"`)
  }
  if (given.peers !== '') {
    throw unsupported('Intentions from cluster peers are not supported by this version of Fairlead')
  }
  if (given.type !== '' && given.type !== 'consul') {
    throw bad(`${at}.Type must be set to 'consul'`)
  }
}

function actionOf(action: string, at: string): IntentionWrite['action'] {
  if (action === '' || action === 'allow' || action === 'deny') return action
  throw bad(`${at}.Action must be set to 'allow' or 'deny'`)
}

function jwtField(given: DecodedJwt | undefined): { readonly jwt?: IntentionJwt } {
  if (given === undefined) return {}
  const providers = given.providers.map(({ name, verifyClaims }) => ({
    name,
    ...(verifyClaims.length === 0 ? {} : { verifyClaims }),
  }))
  return { jwt: { providers } }
}

function permissionOf(given: DecodedPermission, at: string): IntentionPermission {
  const { action, http } = given
  if (action !== 'allow' && action !== 'deny') {
    throw bad(`${at}.Action must be set to 'allow' or 'deny'`)
  }
  if (http === undefined) throw bad(`${at}.HTTP is required`)
  return {
    action,
    ...jwtField(given.jwt),
    http: {
      ...(http.pathExact === '' ? {} : { pathExact: http.pathExact }),
      ...(http.pathPrefix === '' ? {} : { pathPrefix: http.pathPrefix }),
      ...(http.pathRegex === '' ? {} : { pathRegex: http.pathRegex }),
      ...(http.header.length === 0 ? {} : { header: http.header.map(headerOf) }),
      ...(http.methods.length === 0 ? {} : { methods: http.methods }),
    },
  }
}

function headerOf(
  given: DecodedHeader,
): NonNullable<IntentionPermission['http']['header']>[number] {
  return {
    name: given.name,
    ...(given.present ? { present: true } : {}),
    ...(given.exact === '' ? {} : { exact: given.exact }),
    ...(given.prefix === '' ? {} : { prefix: given.prefix }),
    ...(given.suffix === '' ? {} : { suffix: given.suffix }),
    ...(given.contains === '' ? {} : { contains: given.contains }),
    ...(given.regex === '' ? {} : { regex: given.regex }),
    ...(given.invert ? { invert: true } : {}),
    ...(given.ignoreCase ? { ignoreCase: true } : {}),
  }
}

/**
 * Name out of `name`, `namespace/name` or `partition/namespace/name`.
 *
 * @throws FairleadError BAD_REQUEST for another tenancy than `default`
 */
export function serviceNameOf(given: string): string {
  const parts = given.split('/')
  const name = parts.pop() ?? ''
  const isDefault = parts.every((part) => part === 'default' || (part === '*' && name === '*'))
  if (parts.length <= 2 && isDefault && !given.startsWith('peer:')) return name
  throw bad(`Invalid service name ${goQuote(given)}: only the default namespace exists`)
}

function bad(message: string): FairleadError {
  return new FairleadError('BAD_REQUEST', message)
}

function rejected(message: string): FairleadError {
  return new FairleadError('REJECTED', message)
}

function unsupported(message: string): FairleadError {
  return new FairleadError('NOT_SUPPORTED', message)
}
