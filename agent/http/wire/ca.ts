/**
 * CA roots, configuration and leaves as connect/ca and agent/connect/ca print them (http-api.md 22.1, 22.2, 22.4).
 *
 * An operator's own private key inside the CA configuration is never printed.
 */

import type { CaConfig, CaRevocation, CaRoot, CaRoots, Json } from '../../../core/catalog/types.ts'
import type { LeafCertificate } from '../../mesh/types.ts'
import { list, opaque, text, textList, time } from './json.ts'

const SECRETS: readonly string[] = ['privatekey', 'token']

/** @param metaFields metadata of the read, flattened behind */
export function caRootsJson(roots: CaRoots, metaFields: string): string {
  return (
    `{"ActiveRootID":${text(roots.activeRootId)},"TrustDomain":${text(roots.trustDomain)},` +
    `"Roots":${list(roots.roots, rootJson)},${metaFields}}`
  )
}

function rootJson(root: CaRoot): string {
  const { intermediateCertsPem } = root
  const intermediates = intermediateCertsPem.length === 0 ? 'null' : textList(intermediateCertsPem)
  return (
    `{"ID":${text(root.id)},"Name":${text(root.name)},"SerialNumber":${root.serialNumber},` +
    `"SigningKeyID":${text(root.signingKeyId)},` +
    `"ExternalTrustDomain":${text(root.externalTrustDomain)},` +
    `"NotBefore":${time(root.notBefore)},"NotAfter":${time(root.notAfter)},` +
    `"RootCert":${text(root.rootCertPem)},"IntermediateCerts":${intermediates},` +
    `"Active":${root.active},"PrivateKeyType":${text(root.privateKeyType)},` +
    `"PrivateKeyBits":${root.privateKeyBits},` +
    `"CreateIndex":${root.createIndex},"ModifyIndex":${root.modifyIndex}}`
  )
}

export function caRevocationJson(revocation: CaRevocation): string {
  const { id, kind, value, reason, revokedAt, createIndex, modifyIndex } = revocation
  return (
    `{"ID":${text(id)},"${kind === 'serial' ? 'SerialNumber' : 'Identity'}":${text(value)},` +
    `"Reason":${text(reason)},"RevokedAt":${time(revokedAt)},` +
    `"CreateIndex":${createIndex},"ModifyIndex":${modifyIndex}}`
  )
}

export function caConfigJson(config: CaConfig): string {
  const shown = Object.entries(config.config).map(([name, value]): [string, Json] => [
    name,
    SECRETS.includes(name.toLowerCase()) && value !== '' ? 'hidden' : value,
  ])
  return (
    `{"Provider":${text(config.provider)},"Config":${opaque(Object.fromEntries(shown))},` +
    '"State":null,"ForceWithoutCrossSigning":false,' +
    `"CreateIndex":${config.createIndex},"ModifyIndex":${config.modifyIndex}}`
  )
}

export function leafJson(leaf: LeafCertificate, service: string): string {
  return (
    `{"SerialNumber":${text(leaf.serialNumber)},"CertPEM":${text(leaf.certPem)},` +
    `"PrivateKeyPEM":${text(leaf.privateKeyPem)},"Service":${text(service)},` +
    `"ServiceURI":${text(leaf.uri)},"ValidAfter":${time(leaf.validAfter)},` +
    `"ValidBefore":${time(leaf.validBefore)},` +
    `"CreateIndex":${leaf.index},"ModifyIndex":${leaf.index}}`
  )
}
