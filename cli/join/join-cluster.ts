/**
 * `fairlead join TOKEN`: makes this host a member of a secure cluster (docs/decisions/0042).
 *
 * Guarantees: nothing is written before a server has let this host in; the secrets of its tokens are made here and go
 * nowhere. A server makes its own certificate, with the key of the authority that it was given.
 */

import { createPrivateKey, randomUUID, X509Certificate } from 'node:crypto'
import { hashSecret } from '../../core/acl/secret.ts'
import { FairleadError } from '../../core/errors.ts'
import type { JoinGrant } from '../../core/join/grant.ts'
import { readJoinTicket } from '../../core/join/join-token.ts'
import { systemClock } from '../../runtime/clock/system-clock.ts'
import { createAgentCertificate, namesOfRole } from '../../runtime/pki/agent-certificates.ts'
import type { Arguments, CliContext } from '../command.ts'
import { redeem } from './exchange.ts'
import { hostChoices, startService } from './host-choices.ts'
import {
  assertIsNew,
  assertWritable,
  type HostFile,
  makeDataFolder,
  writeHostFiles,
} from './host-files.ts'
import {
  CA_KEY_PATH,
  CA_PATH,
  configText,
  type HostChoices,
  SERVER_CERTIFICATE_DAYS,
  serverCertPath,
} from './written-config.ts'

export async function joinByToken(
  text: string,
  args: Arguments,
  context: CliContext,
): Promise<number> {
  const ticket = readJoinTicket(text, (coded) => Buffer.from(coded, 'base64url').toString())
  const host = hostChoices(args)
  await assertIsNew(host.configDir, host.dataDir)
  // The use of a token is not to be lost for want of a right to write.
  await assertWritable(host.configDir)
  const agentToken = randomUUID()
  const dnsToken = randomUUID()
  const grant = await redeem(
    ticket,
    {
      secret: ticket.secret,
      node: host.node,
      agentToken: { accessorId: randomUUID(), secretHash: hashSecret(agentToken) },
      dnsToken: { accessorId: randomUUID(), secretHash: hashSecret(dnsToken) },
    },
    systemClock,
  )
  context.stderr(`✓ let in as ${grant.role} "${host.node}" of datacenter ${grant.datacenter}\n`)
  const isServer = grant.role === 'server'
  const configuration = configText('fairlead join', host, {
    ...grant,
    isServer,
    agentToken: grant.hasAcl && !isServer ? agentToken : '',
    dnsToken: grant.hasAcl ? dnsToken : '',
  })
  const certificates = isServer ? await serverFiles(host, grant) : []
  await writeHostFiles(host.configDir, [
    { path: CA_PATH, text: grant.authorities.join(''), isPublic: true },
    ...certificates,
    { path: 'join.hcl', text: configuration },
  ])
  await makeDataFolder(host.dataDir)
  context.stderr(`✓ configuration written: ${host.configDir}\n`)
  if (args.bool('start')) {
    await startService(context)
    return 0
  }
  context.stdout(
    `Start it:\n\n    systemctl enable --now fairlead     # or: fairlead agent -config-dir=${host.configDir}\n`,
  )
  return 0
}

async function serverFiles(host: HostChoices, grant: JoinGrant): Promise<readonly HostFile[]> {
  const { datacenter, domain, authorities, authorityKey } = grant
  const names = namesOfRole('server', { datacenter, domain, node: host.node })
  const made = await createAgentCertificate({
    authority: { certPem: authorityOf(authorities, authorityKey), keyPem: authorityKey },
    role: 'server',
    commonName: names.commonName,
    dnsNames: names.dnsNames,
    ipAddresses: host.advertise === '' ? names.ips : [...names.ips, host.advertise],
    days: SERVER_CERTIFICATE_DAYS,
    now: systemClock.wall(),
  })
  return [
    { path: CA_KEY_PATH, text: authorityKey },
    { path: serverCertPath(host), text: made.certPem + made.keyPem },
  ]
}

/** Several may be trusted while they change. */
function authorityOf(authorities: readonly string[], keyPem: string): string {
  const key = createPrivateKey(keyPem)
  const found = authorities.find((pem) => new X509Certificate(pem).checkPrivateKey(key))
  if (found !== undefined) return found
  throw new FairleadError('BAD_REQUEST', 'The server sent a key that belongs to no authority')
}
