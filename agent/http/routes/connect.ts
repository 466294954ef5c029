/**
 * /v1/connect/ca and /v1/agent/connect: roots, leaves, and the decision for proxies of others
 * (http-api.md 22.1 to 22.4, mesh.md 4.10).
 *
 * The agent's own endpoints go through its cache, so their answers say whether and how old.
 */

import type { CaRevocation, JsonObject } from '../../../core/catalog/types.ts'
import { decodeBody } from '../../../core/decode/body.ts'
import { boolean, opaque, opaqueObject, string } from '../../../core/decode/decoder.ts'
import { field, object, optional } from '../../../core/decode/object.ts'
import { FairleadError } from '../../../core/errors.ts'
import { decideConnection } from '../../../core/intentions/decide.ts'
import { describeDecision } from '../../../core/intentions/describe.ts'
import { parseSpiffeUri } from '../../../core/mesh/spiffe.ts'
import type { HttpCall } from '../call.ts'
import { goBoolean } from '../go-boolean.ts'
import {
  blockingParameters,
  type CacheControl,
  type ReadParameters,
  readParameters,
  refuseTenancy,
} from '../query-options.ts'
import { type Answer, ask, askWith, cacheHeaders } from '../reading.ts'
import { emptyReply, jsonReply, type Reply, textReply } from '../reply.ts'
import type { Route } from '../route.ts'
import { caConfigJson, caRootsJson, leafJson } from '../wire/ca.ts'
import { text } from '../wire/json.ts'
import { queryMetaFields } from '../wire/query-meta.ts'
import { apply } from '../writing.ts'

export const CONNECT_ROUTES: readonly Route[] = [
  {
    path: '/v1/connect/ca/roots',
    doc: 'Root certificates of the mesh',
    blocking: true,
    query: ['pem'],
    methods: { GET: roots },
  },
  {
    path: '/v1/connect/ca/configuration',
    doc: 'Configuration of the certificate authority; another key or provider rotates the root',
    methods: { GET: configuration, PUT: setConfiguration },
  },
  {
    path: '/v1/agent/connect/ca/roots',
    doc: "Root certificates of the mesh, through this agent's cache",
    blocking: true,
    methods: { GET: agentRoots },
  },
  {
    path: '/v1/agent/connect/ca/leaf/',
    doc: 'Certificate and key of a service name, made on this host',
    blocking: true,
    methods: { GET: leaf },
  },
  {
    path: '/v1/agent/connect/authorize',
    doc: 'Whether the owner of a certificate may connect to a service of this agent',
    methods: { POST: authorize },
  },
]

async function roots(call: HttpCall): Promise<Reply> {
  requireConnect(call)
  const asPem = pemOf(call)
  const answer = await ask(call, 'ca.roots', {}, { cache: 'refreshed' })
  if (!asPem) return rootsReply(answer)
  return {
    status: 200,
    type: 'application/pem-certificate-chain',
    headers: answer.headers,
    body: Buffer.from(
      answer.value.roots
        .flatMap((root) => [root.rootCertPem, ...root.intermediateCertsPem])
        .join(''),
    ),
  }
}

function pemOf(call: HttpCall): boolean {
  const given = call.query.get('pem')
  if (given === '') return false
  const parsed = goBoolean(given)
  if (parsed !== undefined) return parsed
  throw new FairleadError('BAD_REQUEST', "The 'pem' query parameter must be a boolean value")
}

const ALWAYS_CACHED: CacheControl = {
  mustRevalidate: false,
  maxAgeMs: undefined,
  staleIfErrorMs: undefined,
}

async function agentRoots(call: HttpCall): Promise<Reply> {
  requireConnect(call)
  const given = readParameters(call)
  const parameters: ReadParameters = { ...given, cached: given.cached ?? ALWAYS_CACHED }
  return rootsReply(await askWith(call, parameters, 'ca.roots', {}, { cache: 'refreshed' }))
}

function rootsReply(answer: Answer<'ca.roots'>): Reply {
  const meta = queryMetaFields({ index: answer.index, knownLeader: true, lastContactMs: 0 })
  return jsonReply(caRootsJson(answer.value, meta), answer.headers)
}

async function configuration(call: HttpCall): Promise<Reply> {
  requireConnect(call)
  const parameters = { ...readParameters(call), minIndex: 0 }
  const { value } = await askWith(call, parameters, 'ca.config', {})
  if (value === null) {
    throw new FairleadError('BUSY', 'CA is uninitialized and unable to tell its configuration yet')
  }
  return jsonReply(caConfigJson(value))
}

const CONFIGURATION = object('CARequest', {
  provider: field('Provider', string, ''),
  config: field<JsonObject>('Config', opaqueObject, {}),
  state: field<JsonObject>('State', opaqueObject, {}),
  forceWithoutCrossSigning: field('ForceWithoutCrossSigning', boolean, false, {
    alias: 'force_without_cross_signing',
  }),
  createIndex: optional('CreateIndex', opaque),
  modifyIndex: optional('ModifyIndex', opaque),
})

/** The servers judge the values; `State` is always empty here. */
async function setConfiguration(call: HttpCall): Promise<Reply> {
  requireConnect(call)
  refuseTenancy(call)
  const { provider, config, state, forceWithoutCrossSigning } = decodeBody(
    CONFIGURATION,
    call.bodyText(),
  )
  if (provider === '') throw new FairleadError('BAD_REQUEST', 'Provider must be set')
  if (Object.keys(state).length > 0) {
    throw new FairleadError(
      'BAD_REQUEST',
      'Provider State is read-only. It must be omitted or identical to the current value',
    )
  }
  // A client that changes one value sends back all it read, where unset and secret values have no content.
  const given = Object.entries(config).filter(([, value]) => value !== '' && value !== 'hidden')
  const next = { clusterId: '', provider, config: Object.fromEntries(given) }
  await apply(call, { kind: 'ca.config.set', config: next, forceWithoutCrossSigning })
  return emptyReply(200)
}

async function leaf(call: HttpCall): Promise<Reply> {
  requireConnect(call)
  refuseTenancy(call)
  const service = call.unescapedSuffix()
  if (service === '') return textReply(400, 'Missing service name')
  await call.assertMay('service', 'write', service)
  const { minIndex, waitMs } = blockingParameters(call)
  const found = await call.agent.leaves.leaf(service, {
    signal: call.signal,
    ...(call.agent.acl === undefined ? {} : { secret: call.secret }),
    ...(minIndex === 0 ? {} : { minIndex, waitMs }),
  })
  return jsonReply(leafJson(found.leaf, service), [
    'X-Consul-Index',
    String(Math.max(1, found.leaf.index)),
    ...cacheHeaders(found.cached, found.ageMs),
  ])
}

const AUTHORIZE = object('ConnectAuthorizeRequest', {
  target: field('Target', string, ''),
  clientCertUri: field('ClientCertURI', string, ''),
  clientCertSerial: optional('ClientCertSerial', opaque),
})

async function authorize(call: HttpCall): Promise<Reply> {
  refuseTenancy(call)
  const { target, clientCertUri, clientCertSerial } = decodeBody(AUTHORIZE, call.bodyText())
  if (target === '') throw bad('Target service must be specified')
  await call.assertMay('service', 'write', target)
  const identity = parseSpiffeUri(clientCertUri)
  if ('error' in identity) throw bad('ClientCertURI not a valid Connect identifier')
  if (identity.kind !== 'service') throw bad('ClientCertURI not a valid Service identifier')
  const parameters = { ...readParameters(call), minIndex: 0, cached: ALWAYS_CACHED }
  const request = { by: 'destination', name: target } as const
  const answer = await askWith(call, parameters, 'intention.match', request, {
    cache: 'refreshed',
  })
  const revoked = await revocationOf(call, clientCertUri, clientCertSerial)
  if (revoked !== undefined) {
    const reason = `Revoked: ${revoked.id}`
    return jsonReply(`{"Authorized":false,"Reason":${text(reason)}}`, answer.headers)
  }
  const policy = call.agent.config.defaultIntentionPolicy
  const decision = decideConnection(answer.value, identity.service, policy)
  // Without a word of the operator the policy is allow, as it is where ACLs are off.
  const reason = describeDecision(decision, policy !== 'allow')
  const json = `{"Authorized":${decision.kind === 'allow'},"Reason":${text(reason)}}`
  return jsonReply(json, answer.headers)
}

/** Who asks sends what the certificate says; a serial that is no text is no serial. */
async function revocationOf(
  call: HttpCall,
  uri: string,
  serial: unknown,
): Promise<CaRevocation | undefined> {
  const parameters = { ...readParameters(call), minIndex: 0, cached: ALWAYS_CACHED }
  const { value } = await askWith(call, parameters, 'ca.roots', {}, { cache: 'refreshed' })
  const wanted = typeof serial === 'string' ? serial.toLowerCase() : ''
  return value.revocations?.find((each) =>
    each.kind === 'identity' ? each.value === uri : each.value === wanted,
  )
}

/** @throws FairleadError REJECTED */
function requireConnect(call: HttpCall): void {
  if (call.agent.config.connect.enabled) return
  throw new FairleadError('REJECTED', 'Connect must be enabled in order to use this endpoint')
}

function bad(message: string): FairleadError {
  return new FairleadError('BAD_REQUEST', message)
}
