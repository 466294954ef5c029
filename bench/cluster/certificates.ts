/**
 * With BENCH_TLS=1 servers and agents of a benchmark speak TLS to each other: certificates, and how they are used.
 */

import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createSecureContext } from 'node:tls'
import { wallTime } from '../../core/time.ts'
import {
  createAgentAuthority,
  createAgentCertificate,
  namesOfRole,
} from '../../runtime/pki/agent-certificates.ts'
import type { OutgoingTls } from '../../runtime/tls/rpc-tls.ts'

const DAYS = 2

export const speaksTls = process.env['BENCH_TLS'] === '1'

/** Writes them into the folder. @returns configuration of a server, HCL */
export async function serverTls(folder: string): Promise<string> {
  await mkdir(folder, { recursive: true })
  const now = wallTime(Date.now())
  const common = { days: DAYS, now }
  const authority = await createAgentAuthority({
    commonName: '',
    onlyDomains: [],
    clusterUri: '',
    ...common,
  })
  const { commonName, dnsNames, ips } = namesOfRole('server', {
    datacenter: 'dc1',
    domain: 'consul',
    node: '',
  })
  const own = await createAgentCertificate({
    authority,
    role: 'server',
    commonName,
    dnsNames,
    ipAddresses: ips,
    ...common,
  })
  const [ca, cert, key] = ['ca.pem', 'cert.pem', 'key.pem'].map((name) => join(folder, name))
  await writeFile(ca ?? '', authority.certPem)
  await writeFile(cert ?? '', own.certPem)
  await writeFile(key ?? '', own.keyPem)
  return `ports { grpc_tls = -1 } tls { defaults { ca_file = "${ca}" cert_file = "${cert}" key_file = "${key}" } internal_rpc { verify_incoming = true verify_outgoing = true verify_server_hostname = true } }`
}

/** How an agent calls those servers. */
export async function agentTls(folder: string): Promise<OutgoingTls> {
  const read = (name: string): Promise<string> => readFile(join(folder, name), 'utf8')
  const [ca, cert, key] = await Promise.all([read('ca.pem'), read('cert.pem'), read('key.pem')])
  return {
    version: 1,
    context: createSecureContext({ ca, cert, key, minVersion: 'TLSv1.3' }),
    serverName: 'server.dc1.consul',
    checkIdentity: () => undefined,
  }
}
