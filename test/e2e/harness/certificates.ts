/**
 * An authority and certificates of agents in a folder, as `fairlead tls` makes them, for tests of TLS.
 */

import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { wallTime } from '../../../core/time.ts'
import {
  type CertificateAndKeyPem,
  type CertificateRole,
  createAgentAuthority,
  createAgentCertificate,
  namesOfRole,
} from '../../../runtime/pki/agent-certificates.ts'

export interface TestAuthority {
  readonly caFile: string
  readonly caPem: string
  /** Writes `<name>.pem` and `<name>-key.pem`; over what is there. */
  issue(name: string, role: CertificateRole): Promise<IssuedFiles>
}

export interface IssuedFiles extends CertificateAndKeyPem {
  readonly certFile: string
  readonly keyFile: string
}

export async function createTestAuthority(folder: string, name = 'ca'): Promise<TestAuthority> {
  const now = wallTime(Date.now())
  const authority = await createAgentAuthority({
    commonName: '',
    days: 10,
    onlyDomains: [],
    clusterUri: '',
    now,
  })
  const caFile = join(folder, `${name}.pem`)
  await writeFile(caFile, authority.certPem)
  return {
    caFile,
    caPem: authority.certPem,
    issue: async (stem, role) => {
      const names = namesOfRole(role, { datacenter: 'dc1', domain: 'consul', node: '' })
      const made = await createAgentCertificate({
        authority,
        role,
        commonName: names.commonName,
        dnsNames: names.dnsNames,
        ipAddresses: names.ips,
        days: 5,
        now: wallTime(Date.now()),
      })
      const certFile = join(folder, `${stem}.pem`)
      const keyFile = join(folder, `${stem}-key.pem`)
      await writeFile(keyFile, made.keyPem)
      await writeFile(certFile, made.certPem)
      return { ...made, certFile, keyFile }
    },
  }
}
