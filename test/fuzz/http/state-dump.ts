/**
 * All that the HTTP API tells of the state behind it, to see that a refused request changed nothing.
 *
 * Guarantees: two dumps are equal exactly if every list of the API is, but for coordinates, which servers write
 * later. Indexes outside of the records do not count: a refused write may have gone through the log.
 */

export type Get = (path: string) => Promise<{ readonly status: number; readonly text: string }>

const LISTS = [
  '/v1/agent/services',
  '/v1/agent/checks',
  '/v1/agent/members',
  '/v1/catalog/nodes',
  '/v1/catalog/services',
  '/v1/health/state/any',
  '/v1/kv/?recurse',
  '/v1/session/list',
  '/v1/connect/intentions',
  '/v1/connect/ca/configuration',
  '/v1/connect/ca/roots',
  '/v1/operator/autopilot/configuration',
  '/v1/query',
  '/v1/connect/ca/revocations',
  '/v1/internal/service-virtual-ip',
  '/v1/acl/tokens',
  '/v1/acl/policies',
  '/v1/acl/roles',
  '/v1/acl/auth-methods',
  '/v1/acl/binding-rules',
  ...[
    'service-defaults',
    'proxy-defaults',
    'service-resolver',
    'service-splitter',
    'service-router',
    'service-intentions',
    'ingress-gateway',
    'terminating-gateway',
    'mesh',
    'exported-services',
    'api-gateway',
    'http-route',
    'tcp-route',
    'inline-certificate',
    'sameness-group',
    'jwt-provider',
  ].map((kind) => `/v1/config/${kind}`),
]

/** By path, the status and body. */
export type Dump = ReadonlyMap<string, string>

export async function dumpState(get: Get): Promise<Dump> {
  const dump = new Map<string, string>()
  const read = async (path: string): Promise<string> => {
    const { status, text } = await get(path)
    dump.set(path, `${status} ${text}`)
    return text
  }
  const texts = await Promise.all(LISTS.map(read))
  const nodes: readonly { readonly Node: string }[] = JSON.parse(
    texts[LISTS.indexOf('/v1/catalog/nodes')] ?? '[]',
  )
  await Promise.all(
    nodes.map((node) => read(`/v1/catalog/node-services/${encodeURIComponent(node.Node)}`)),
  )
  return dump
}

/** Lists that differ, with both texts. */
export function differences(before: Dump, after: Dump): readonly string[] {
  const paths = new Set([...before.keys(), ...after.keys()])
  return [...paths]
    .filter((path) => before.get(path) !== after.get(path))
    .map((path) => `${path}\n  before ${before.get(path)}\n  after  ${after.get(path)}`)
}
