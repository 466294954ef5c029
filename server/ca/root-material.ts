/**
 * The root of the built-in CA: made here, or brought by the operator; as a certificate and its key.
 *
 * Guarantees: key and certificate belong together, the certificate may sign others, and it is valid now.
 * Does not store anything (certificate-authority.ts does).
 */

import { FairleadError } from '../../core/errors.ts'
import { readCertificate } from '../../runtime/pki/certificate.ts'
import {
  generateEcKey,
  generateRsaKey,
  type PrivateKey,
  readPrivateKey,
} from '../../runtime/pki/keys.ts'
import { LeafSigner } from '../../runtime/pki/leaf-signer.ts'
import { readOperatorKeyMaterial } from '../../runtime/pki/operator-files.ts'
import { createRootCertificate, rootCommonName } from '../../runtime/pki/root-certificate.ts'
import type { BuiltInCaConfig } from './ca-config.ts'
import type { ProviderContext } from './provider.ts'

export interface RootMaterial {
  readonly rootPem: string
  readonly privateKeyPem: string
}

export async function makeRoot(
  config: BuiltInCaConfig,
  context: ProviderContext,
): Promise<RootMaterial> {
  if (config.rootCertPem !== '') return importRoot(config, context)
  const key = await rootKey(config)
  const rootPem = await createRootCertificate({
    key,
    commonName: rootCommonName(context.clusterId, context.rng),
    trustDomain: context.trustDomain,
    serialNumber: await context.takeSerial(),
    notBefore: context.clock.wall(),
    ttlMs: config.rootTtlMs,
  })
  return { rootPem, privateKeyPem: key.pem }
}

async function rootKey(config: BuiltInCaConfig): Promise<PrivateKey> {
  if (config.privateKeyPem !== '') return readPrivateKey(config.privateKeyPem)
  return config.privateKeyType === 'ec'
    ? generateEcKey(config.privateKeyBits)
    : generateRsaKey(config.privateKeyBits)
}

async function importRoot(
  config: BuiltInCaConfig,
  { clock }: ProviderContext,
): Promise<RootMaterial> {
  const bytes = Buffer.from(`${config.rootCertPem}\n${config.privateKeyPem}\n`)
  const { certPems, keyPem } = await readOperatorKeyMaterial(bytes)
  const rootPem = certPems[0] ?? ''
  const facts = readCertificate(rootPem)
  if (facts.notAfter <= clock.wall()) {
    throw new FairleadError(
      'BAD_REQUEST',
      `root expired: certificate expired, expiration date: ${new Date(facts.notAfter).toISOString()}`,
    )
  }
  // Proves that they belong together and that it may sign.
  await LeafSigner.open(rootPem, readPrivateKey(keyPem))
  return { rootPem, privateKeyPem: keyPem }
}
