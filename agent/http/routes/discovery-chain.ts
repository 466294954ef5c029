/**
 * /v1/discovery-chain/:service: where calls to a service go (http-api.md 22.6, mesh.md 9).
 *
 * Every service has a chain, one that nobody registered too.
 */

import { type ChainOverrides, NO_OVERRIDES } from '../../../core/chain/compile.ts'
import { isProblem } from '../../../core/chain/types.ts'
import { FairleadError } from '../../../core/errors.ts'
import type { HttpCall } from '../call.ts'
import { chainOverrides } from '../decode/chain-body.ts'
import { ask } from '../reading.ts'
import { jsonReply, type Reply, textReply } from '../reply.ts'
import type { Route } from '../route.ts'
import { chainJson } from '../wire/chain.ts'

export const DISCOVERY_CHAIN_ROUTES: readonly Route[] = [
  {
    path: '/v1/discovery-chain/',
    doc: 'Where calls to a service go: its routes, splits, redirects and failovers, compiled',
    blocking: true,
    query: ['compile-dc'],
    methods: {
      GET: (call) => read(call, NO_OVERRIDES),
      POST: (call) => read(call, chainOverrides(call.bodyText())),
    },
  },
]

async function read(call: HttpCall, overrides: ChainOverrides): Promise<Reply> {
  if (call.suffix === '') return textReply(400, 'Missing chain name')
  const request = {
    service: call.suffix,
    datacenter: call.query.get('compile-dc') || call.agent.config.datacenter,
    overrides,
  }
  const { value, headers } = await ask(call, 'chain.get', request, { cache: 'kept' })
  if (isProblem(value)) throw new FairleadError('REJECTED', value.problem)
  return jsonReply(`{"Chain":${chainJson(value)}}`, headers)
}
