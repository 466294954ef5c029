/**
 * A service behind a gateway (http-api.md 11.8): what is empty is left out.
 */

import type { GatewayService } from '../../../core/gateways/gateway-services.ts'
import { text, textList } from './json.ts'

export function gatewayServiceJson(row: GatewayService): string {
  let out =
    `{"Gateway":{"Name":${text(row.gateway)}},"Service":{"Name":${text(row.service)}},` +
    `"GatewayKind":${text(row.gatewayKind)},`
  if (row.port !== 0) out += `"Port":${row.port},`
  if (row.protocol !== '') out += `"Protocol":${text(row.protocol)},`
  if (row.hosts.length > 0) out += `"Hosts":${textList(row.hosts)},`
  if (row.caFile !== '') out += `"CAFile":${text(row.caFile)},`
  if (row.certFile !== '') out += `"CertFile":${text(row.certFile)},`
  if (row.keyFile !== '') out += `"KeyFile":${text(row.keyFile)},`
  if (row.sni !== '') out += `"SNI":${text(row.sni)},`
  if (row.fromWildcard) out += '"FromWildcard":true,'
  if (row.autoHostRewrite) out += '"AutoHostRewrite":true,'
  return `${out}"CreateIndex":${row.createIndex},"ModifyIndex":${row.modifyIndex}}`
}
