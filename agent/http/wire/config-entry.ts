/**
 * A config entry as config/ prints it (http-api.md 23), and intentions in the form of service-intentions.
 */

import { sameData } from '../../../core/catalog/equality.ts'
import type { ConfigEntryRecord, IntentionRecord, JsonObject } from '../../../core/catalog/types.ts'
import { jwtJson, permissionJson } from './intention.ts'
import { list, opaque, text, textMap } from './json.ts'

export function configEntryJson(entry: ConfigEntryRecord): string {
  return (
    `{"Kind":${text(entry.kind)},"Name":${text(entry.name)},${fieldsOf(entry.body)}` +
    `"CreateIndex":${entry.createIndex},"ModifyIndex":${entry.modifyIndex}}`
  )
}

function fieldsOf(body: JsonObject): string {
  const fields = opaque(body)
  return fields === '{}' ? '' : `${fields.slice(1, -1)},`
}

/** @param rules all intentions of one destination, in the order of evaluation; at least one */
export function serviceIntentionsJson(rules: readonly IntentionRecord[]): string {
  const created = Math.min(...rules.map((rule) => rule.createIndex))
  const modified = Math.max(...rules.map((rule) => rule.modifyIndex))
  return (
    `{"Kind":"service-intentions","Name":${text(rules[0]?.destinationName ?? '')},` +
    `"Sources":${list(rules, sourceJson)},${jwtFieldOf(rules)}${metaField(rules)}"CreateIndex":${created},"ModifyIndex":${modified}}`
  )
}

/** What an entry was written with is on all its rules; rules written one by one share it or have no common one. */
function metaField(rules: readonly IntentionRecord[]): string {
  const meta = rules[0]?.meta ?? {}
  const isShared = rules.every((rule) => sameData(rule.meta, meta))
  return isShared && Object.keys(meta).length > 0 ? `"Meta":${textMap(meta)},` : ''
}

/** The same way. */
function jwtFieldOf(rules: readonly IntentionRecord[]): string {
  const jwt = rules[0]?.jwt
  if (jwt === undefined || !rules.every((rule) => sameData(rule.jwt ?? null, jwt))) return ''
  return `"JWT":${jwtJson(jwt)},`
}

function sourceJson(rule: IntentionRecord): string {
  let out = `{"Name":${text(rule.sourceName)},`
  if (rule.action !== '') out += `"Action":${text(rule.action)},`
  if (rule.permissions.length > 0) out += `"Permissions":${list(rule.permissions, permissionJson)},`
  out += `"Precedence":${rule.precedence},`
  if (rule.id !== '') out += `"LegacyID":${text(rule.id)},`
  out += '"Type":"consul"'
  if (rule.description !== '') out += `,"Description":${text(rule.description)}`
  return `${out}}`
}
