/**
 * The root of the built-in CA: made here, or brought by the operator; as a record and its key.
 *
 * Guarantees: key and certificate belong together, the certificate may sign others, and it is valid now.
 * Does not store anything (certificate-authority.ts does).
 */

import type { CaRoot, Indexed } from '../../core/catalog/types.ts'
import { FairleadError } from '../../core/errors.ts'
import type { Rng } from '../../core/rng.ts'
import type { WallTime } from '../../core/time.ts'
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

export interface RootMaterial {
  readonly root: Omit<CaRoot, keyof Indexed>
  readonly privateKeyPem: string
}

export interface RootContext {
  readonly clusterId: string
  readonly trustDomain: string
  readonly now: WallTime
  readonly rng: Rng
}

/** @param takeSerial called only when a new certificate is made */
export async function makeRoot(
  config: BuiltInCaConfig,
  context: RootContext,
  takeSerial: () => Promise<number>,
): Promise<RootMaterial> {
  if (config.rootCertPem !== '') return importRoot(config, context)
  const key = await rootKey(config)
  const rootCertPem = await createRootCertificate({
    key,
    commonName: rootCommonName(context.clusterId, context.rng),
    trustDomain: context.trustDomain,
    serialNumber: await takeSerial(),
    notBefore: context.now,
    ttlMs: config.rootTtlMs,
  })
  return describe(rootCertPem, key, context)
}

async function rootKey(config: BuiltInCaConfig): Promise<PrivateKey> {
  if (config.privateKeyPem !== '') return readPrivateKey(config.privateKeyPem)
  return config.privateKeyType === 'ec'
    ? generateEcKey(config.privateKeyBits)
    : generateRsaKey(config.privateKeyBits)
}

async function importRoot(config: BuiltInCaConfig, context: RootContext): Promise<RootMaterial> {
  const bytes = Buffer.from(`${config.rootCertPem}\n${config.privateKeyPem}\n`)
  const { certPems, keyPem } = await readOperatorKeyMaterial(bytes)
  const facts = readCertificate(certPems[0] ?? '')
  if (facts.notAfter <= context.now) {
    throw new FairleadError(
      'BAD_REQUEST',
      `root expired: certificate expired, expiration date: ${new Date(facts.notAfter).toISOString()}`,
    )
  }
  return describe(certPems[0] ?? '', readPrivateKey(keyPem), context)
}

async function describe(
  rootCertPem: string,
  key: PrivateKey,
  context: RootContext,
): Promise<RootMaterial> {
  const signer = await LeafSigner.open(rootCertPem, key)
  const facts = readCertificate(rootCertPem)
  return {
    root: {
      id: facts.fingerprint,
      name: 'Consul CA Primary Cert',
      serialNumber: exactSerial(facts.serialNumber),
      signingKeyId: signer.keyId,
      externalTrustDomain: context.clusterId,
      notBefore: facts.notBefore,
      notAfter: facts.notAfter,
      rootCertPem,
      intermediateCertsPem: [],
      active: true,
      privateKeyType: key.type,
      privateKeyBits: key.bits,
    },
    privateKeyPem: key.pem,
  }
}

/** The low 53 bits: a foreign root may have a serial number of 20 bytes. */
function exactSerial(colonHex: string): number {
  return Number(BigInt.asUintN(53, BigInt(`0x${colonHex.replaceAll(':', '')}`)))
}
