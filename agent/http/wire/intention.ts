/**
 * An intention in its flat form (http-api.md 22.5): what is empty is left out.
 *
 * `Hash` is a digest of what the rule says, opaque to clients.
 */

import { createHash } from 'node:crypto'
import type {
  IntentionHeaderMatch,
  IntentionJwt,
  IntentionPermission,
  IntentionRecord,
} from '../../../core/catalog/types.ts'
import { Recent } from '../recent.ts'
import { list, text, textList, textMap, time } from './json.ts'

const texts = new Recent<IntentionRecord, string>(encode)

export function intentionJson(intention: IntentionRecord): string {
  return texts.of(intention)
}

function encode(intention: IntentionRecord): string {
  const says = saysFields(intention)
  const id = intention.id === '' ? '' : `"ID":${text(intention.id)},`
  const hash = createHash('sha256').update(says).digest('base64')
  return (
    `{${id}${says}"Precedence":${intention.precedence},` +
    `"CreatedAt":${time(intention.createdAt)},"UpdatedAt":${time(intention.updatedAt)},` +
    `"Hash":"${hash}","CreateIndex":${intention.createIndex},"ModifyIndex":${intention.modifyIndex}}`
  )
}

function saysFields(intention: IntentionRecord): string {
  let out = ''
  if (intention.description !== '') out += `"Description":${text(intention.description)},`
  out +=
    `"SourceNS":"default","SourceName":${text(intention.sourceName)},` +
    `"DestinationNS":"default","DestinationName":${text(intention.destinationName)},` +
    '"SourcePartition":"default","DestinationPartition":"default","SourceType":"consul",'
  if (intention.action !== '') out += `"Action":${text(intention.action)},`
  if (intention.permissions.length > 0) {
    out += `"Permissions":${list(intention.permissions, permissionJson)},`
  }
  if (intention.jwt !== undefined) out += `"JWT":${jwtJson(intention.jwt)},`
  if (Object.keys(intention.meta).length > 0) out += `"Meta":${textMap(intention.meta)},`
  return out
}

export function permissionJson({ action, http, jwt }: IntentionPermission): string {
  const fields: string[] = []
  if (isSet(http.pathExact)) fields.push(`"PathExact":${text(http.pathExact)}`)
  if (isSet(http.pathPrefix)) fields.push(`"PathPrefix":${text(http.pathPrefix)}`)
  if (isSet(http.pathRegex)) fields.push(`"PathRegex":${text(http.pathRegex)}`)
  const { header, methods } = http
  if (header !== undefined && header.length > 0) fields.push(`"Header":${list(header, headerJson)}`)
  if (methods !== undefined && methods.length > 0) fields.push(`"Methods":${textList(methods)}`)
  const token = jwt === undefined ? '' : `,"JWT":${jwtJson(jwt)}`
  return `{"Action":${text(action)},"HTTP":{${fields.join(',')}}${token}}`
}

export function jwtJson({ providers }: IntentionJwt): string {
  const one = ({ name, verifyClaims }: IntentionJwt['providers'][number]): string =>
    `{"Name":${text(name)}${verifyClaims === undefined ? '' : `,"VerifyClaims":${list(verifyClaims, claimJson)}`}}`
  return `{"Providers":${list(providers, one)}}`
}

function claimJson({ path, value }: { readonly path: readonly string[]; readonly value: string }) {
  return `{"Path":${textList(path)},"Value":${text(value)}}`
}

function headerJson(match: IntentionHeaderMatch): string {
  let out = `{"Name":${text(match.name)}`
  if (match.present === true) out += ',"Present":true'
  if (isSet(match.exact)) out += `,"Exact":${text(match.exact)}`
  if (isSet(match.prefix)) out += `,"Prefix":${text(match.prefix)}`
  if (isSet(match.suffix)) out += `,"Suffix":${text(match.suffix)}`
  if (isSet(match.contains)) out += `,"Contains":${text(match.contains)}`
  if (isSet(match.regex)) out += `,"Regex":${text(match.regex)}`
  if (match.invert === true) out += ',"Invert":true'
  if (match.ignoreCase === true) out += ',"IgnoreCase":true'
  return `${out}}`
}

function isSet(value: string | undefined): value is string {
  return value !== undefined && value !== ''
}
