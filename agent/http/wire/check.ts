/**
 * A health check as health/* and agent/checks print it (http-api.md 9.8, 9.9, 12).
 */

import type { CheckDefinition, CheckRecord } from '../../../core/catalog/types.ts'
import { Recent } from '../recent.ts'
import { opaque, text, textList } from './json.ts'

const texts = new Recent<CheckRecord, string>((check: CheckRecord) =>
  encode(check, check.node, check.createIndex, check.modifyIndex),
)

export function checkJson(check: CheckRecord): string {
  return texts.of(check)
}

/** As in txn, which alone prints that a check has no tags as null. */
export function txnCheckJson(check: CheckRecord): string {
  if (check.serviceTags.length > 0) return checkJson(check)
  return encode(check, check.node, check.createIndex, check.modifyIndex, 'null')
}

/** As in agent/checks: the same object without indexes and definition. */
export function agentCheckJson(check: CheckDefinition, node: string): string {
  return encode({ ...check, definition: {} }, node, 0, 0)
}

/** As in agent/health/service: the client library's shorter form. */
export function agentHealthCheckJson(check: CheckDefinition, node: string): string {
  return `${headFields(check, node)}"Definition":{},"CreateIndex":0,"ModifyIndex":0}`
}

function encode(
  check: CheckDefinition,
  node: string,
  createIndex: number,
  modifyIndex: number,
  noTags = '[]',
): string {
  return (
    `${headFields(check, node, noTags)}"Interval":${text(check.interval)},` +
    `"Timeout":${text(check.timeout)},"ExposedPort":${check.exposedPort},` +
    `"Definition":${opaque(check.definition)},` +
    `"CreateIndex":${createIndex},"ModifyIndex":${modifyIndex}}`
  )
}

function headFields(check: CheckDefinition, node: string, noTags = '[]'): string {
  const tags = check.serviceTags.length === 0 ? noTags : textList(check.serviceTags)
  return (
    `{"Node":${text(node)},"CheckID":${text(check.checkId)},"Name":${text(check.name)},` +
    `"Status":${text(check.status)},"Notes":${text(check.notes)},"Output":${text(check.output)},` +
    `"ServiceID":${text(check.serviceId)},"ServiceName":${text(check.serviceName)},` +
    `"ServiceTags":${tags},"Type":${text(check.type)},`
  )
}
