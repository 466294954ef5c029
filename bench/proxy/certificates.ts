/**
 * A root and leaves for the benchmark, made by the project's own CA code.
 */

import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { ProxyIdentity } from '../../core/mesh/proxy-snapshot.ts'
import { serviceSpiffeUri } from '../../core/mesh/spiffe.ts'
import { wallTime } from '../../core/time.ts'
import { systemClock } from '../../runtime/clock/system-clock.ts'
import { createKeyAndCsr, parseCsr } from '../../runtime/pki/csr.ts'
import { generateEcKey } from '../../runtime/pki/keys.ts'
import { LeafSigner } from '../../runtime/pki/leaf-signer.ts'
import { createRootCertificate } from '../../runtime/pki/root-certificate.ts'
import type { PemFiles } from './peers.ts'

export const TRUST_DOMAIN = '11111111-2222-3333-4444-555555555555.consul'
const HOUR_MS = 3_600_000

export interface BenchCertificates {
  readonly rootPem: string
  readonly web: ProxyIdentity
  readonly payments: ProxyIdentity
  /** Of payments, with a DNS name for proxies that check one. */
  readonly files: PemFiles
}

/** @param dnsName what proxies that know no SPIFFE verify */
export async function makeCertificates(
  folder: string,
  dnsName: string,
): Promise<BenchCertificates> {
  const key = await generateEcKey()
  const rootPem = await createRootCertificate({
    key,
    commonName: 'bench root',
    trustDomain: TRUST_DOMAIN,
    serialNumber: 7,
    notBefore: wallTime(systemClock.wall() - HOUR_MS),
    ttlMs: 1000 * HOUR_MS,
  })
  const signer = await LeafSigner.open(rootPem, key)
  const leaf = async (service: string, serialNumber: number): Promise<ProxyIdentity> => {
    const spiffeUri = serviceSpiffeUri(TRUST_DOMAIN, 'dc1', service)
    const { csrPem, privateKeyPem } = await createKeyAndCsr({
      uri: spiffeUri,
      dnsNames: [dnsName],
    })
    const signed = await signer.sign({
      ...(await parseCsr(csrPem)),
      serialNumber,
      now: systemClock.wall(),
      ttlMs: 72 * HOUR_MS,
    })
    const { certPem, notAfter } = signed
    return { id: `svc/${service}`, spiffeUri, certPem, keyPem: privateKeyPem, notAfter }
  }
  const payments = await leaf('payments', 8)
  const files = {
    roots: join(folder, 'roots.pem'),
    cert: join(folder, 'cert.pem'),
    key: join(folder, 'key.pem'),
    both: join(folder, 'both.pem'),
  }
  await writeFile(files.roots, rootPem)
  await writeFile(files.cert, payments.certPem)
  await writeFile(files.key, payments.keyPem, { mode: 0o600 })
  await writeFile(files.both, payments.certPem + payments.keyPem, { mode: 0o600 })
  return { rootPem, web: await leaf('web', 9), payments, files }
}
