/**
 * Reads of the servers on behalf of a request: through the agent cache or not, with the headers of the answer.
 *
 * Headers: http-api.md 2.3. The index of an answer is never 0, which clients would take for "do not block".
 */

import { hashSecret } from '../../core/acl/secret.ts'
import type { ReadName, Reads } from '../../core/rpc/reads.ts'
import type { Consistency, ReadResult } from '../../core/rpc/server-api.ts'
import type { CacheKind } from './agent-cache.ts'
import type { HttpCall } from './call.ts'
import { type ReadParameters, readOptions, readParameters } from './query-options.ts'

export interface Answer<N extends ReadName> {
  readonly value: ReadResult<N>['value']
  readonly index: number
  readonly knownLeader: boolean
  readonly lastContactMs: number
  readonly parameters: ReadParameters
  /** How the cache took part; undefined when it was not asked. */
  readonly cache?: { readonly isHit: boolean; readonly ageMs: number }
  /** Metadata headers, ready to send. */
  readonly headers: string[]
}

export interface AskOptions {
  /** The endpoint has cache support of this kind. */
  readonly cache?: CacheKind
  /** Answers of this endpoint come from a materialised view when blocking or cached. */
  readonly streams?: boolean
}

/** @throws FairleadError of the parameters or of the servers, or the abort reason */
export async function ask<N extends ReadName>(
  call: HttpCall,
  name: N,
  request: Reads[N]['request'],
  options: AskOptions = {},
): Promise<Answer<N>> {
  return askWith(call, readParameters(call), name, request, options)
}

/** As `ask`, where the request depends on the parameters. */
export async function askWith<N extends ReadName>(
  call: HttpCall,
  parameters: ReadParameters,
  name: N,
  request: Reads[N]['request'],
  options: AskOptions = {},
): Promise<Answer<N>> {
  const { cached, minIndex, near } = parameters
  const isStreamed =
    options.streams === true && near === '' && (minIndex > 0 || cached !== undefined)
  const style = isStreamed ? 'streaming' : parameters.consistency
  if (cached === undefined || options.cache === undefined) {
    const result = await call.servers.read(name, request, readOptions(call, parameters))
    return { ...result, parameters, headers: metaHeaders(result, style) }
  }
  const bearer = await call.bearer()
  const read = await call.agent.cache.read<N>({
    ...(bearer === undefined ? {} : { rights: bearer.authorizer }),
    kind: options.cache,
    key: `${callerOf(call)}${name} ${parameters.datacenter ?? ''} ${JSON.stringify(request)}`,
    control: cached,
    minIndex,
    fetch: (consistency) =>
      call.servers.read(name, request, readOptions(call, { ...parameters, consistency })),
  })
  const headers = metaHeaders(read.result, isStreamed ? 'streaming' : 'cached')
  headers.push(...cacheHeaders(read.isHit, read.ageMs))
  const { isHit, ageMs } = read
  return { ...read.result, parameters, headers, cache: { isHit, ageMs } }
}

/** What one caller may see is not kept for another. */
function callerOf(call: HttpCall): string {
  return call.agent.acl === undefined ? '' : `${hashSecret(call.secret)} `
}

const CONSISTENCY: Readonly<Record<Consistency, string>> = {
  default: 'leader',
  consistent: 'consistent',
  stale: 'stale',
}

/** As headers and bodies name it. */
export function consistencyName(consistency: Consistency): string {
  return CONSISTENCY[consistency]
}

/** @param style consistency that was used, or the way the answer came */
export function metaHeaders(
  result: {
    readonly index: number
    readonly knownLeader: boolean
    readonly lastContactMs: number
    readonly isFiltered?: boolean
  },
  style: Consistency | 'cached' | 'streaming',
): string[] {
  const headers = [
    'X-Consul-Index',
    String(Math.max(1, result.index)),
    'X-Consul-Knownleader',
    result.knownLeader ? 'true' : 'false',
    'X-Consul-Lastcontact',
    String(Math.round(result.lastContactMs)),
    'X-Consul-Query-Backend',
    style === 'streaming' ? 'streaming' : 'blocking-query',
  ]
  if (style !== 'streaming' && style !== 'cached') {
    headers.push('X-Consul-Effective-Consistency', CONSISTENCY[style])
  }
  if (result.isFiltered === true) headers.push('X-Consul-Results-Filtered-By-Acls', 'true')
  return headers
}

export function cacheHeaders(isHit: boolean, ageMs: number): readonly string[] {
  return isHit ? ['X-Cache', 'HIT', 'Age', String(Math.floor(ageMs / 1000))] : ['X-Cache', 'MISS']
}
