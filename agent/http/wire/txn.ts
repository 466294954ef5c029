/**
 * Results and errors of a transaction (http-api.md 17).
 */

import type { TxnError, TxnResult } from '../../../core/catalog/commands.ts'
import { txnCheckJson } from './check.ts'
import { list, text } from './json.ts'
import { kvJson, kvWithoutValueJson } from './kv.ts'
import { nodeJson } from './node.ts'
import { serviceJson } from './service.ts'

/** @param tail fields behind, each with its comma in front; '' for none */
export function txnResultsJson(results: readonly TxnResult[], tail = ''): string {
  return `{"Results":${list(results, resultJson)},"Errors":null${tail}}`
}

export function txnErrorsJson(errors: readonly TxnError[], tail = ''): string {
  const encode = (error: TxnError): string =>
    `{"OpIndex":${error.opIndex},"What":${text(error.what)}}`
  return `{"Results":null,"Errors":${list(errors, encode)}${tail}}`
}

function resultJson(result: TxnResult): string {
  switch (result.type) {
    case 'kv':
      return `{"KV":${result.withValue ? kvJson(result.entry) : kvWithoutValueJson(result.entry)}}`
    case 'node':
      return `{"Node":${nodeJson(result.node)}}`
    case 'service':
      return `{"Service":${serviceJson(result.service)}}`
    case 'check':
      return `{"Check":${txnCheckJson(result.check)}}`
  }
}
