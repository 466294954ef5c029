/**
 * Which authority stands behind a certificate: also when somebody sends a chain of his own making.
 */

import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { connect, createServer } from 'node:tls'
import { wallTime } from '../../../../core/time.ts'
import {
  type CertificateAndKeyPem,
  createAgentAuthority,
  createAgentCertificate,
} from '../../../../runtime/pki/agent-certificates.ts'
import { isIssuedUnder } from '../../../../runtime/tls/certificate-chain.ts'

const now = wallTime(Date.now())

function authority(): Promise<CertificateAndKeyPem> {
  return createAgentAuthority({
    commonName: '',
    days: 2,
    onlyDomains: [],
    clusterUri: '',
    now,
  })
}

function leafOf(issuer: CertificateAndKeyPem): Promise<CertificateAndKeyPem> {
  return createAgentCertificate({
    authority: issuer,
    role: 'client',
    commonName: 'x',
    dnsNames: ['server.dc1.consul'],
    ipAddresses: [],
    days: 1,
    now,
  })
}

/** What a server finds who trusts `trusted`, of a caller with this certificate and chain. */
async function judged(
  caller: CertificateAndKeyPem,
  { trusted, own }: { readonly trusted: readonly string[]; readonly own: readonly string[] },
): Promise<{ readonly authorized: boolean; readonly isOwn: boolean }> {
  const server = await leafOf(await authority())
  const listening = createServer({
    cert: server.certPem,
    key: server.keyPem,
    ca: [...trusted],
    requestCert: true,
    rejectUnauthorized: false,
  }).listen(0, '127.0.0.1')
  await once(listening, 'listening')
  const { port } = listening.address() as AddressInfo
  const socket = connect({
    host: '127.0.0.1',
    port,
    cert: caller.certPem,
    key: caller.keyPem,
    rejectUnauthorized: false,
  })
  try {
    const [seen] = await once(listening, 'secureConnection')
    const certificate = seen.getPeerX509Certificate()
    return { authorized: seen.authorized, isOwn: isIssuedUnder(certificate, own) }
  } finally {
    socket.destroy()
    listening.close()
  }
}

test('the authority that signed is told from another that is trusted', async () => {
  const own = await authority()
  const mesh = await authority()
  const trusted = [own.certPem, mesh.certPem]
  const rules = { trusted, own: [own.certPem] }
  assert.deepEqual(await judged(await leafOf(own), rules), { authorized: true, isOwn: true })
  assert.deepEqual(await judged(await leafOf(mesh), rules), { authorized: true, isOwn: false })
})

test('who has a certificate cannot stand between the authority and a name', async () => {
  const own = await authority()
  const client = await leafOf(own)
  // Signed by the client's key, and by an authority that he made up; he sends all that he has.
  const madeUp = await authority()
  const leaf = await leafOf(madeUp)
  const chain = { ...leaf, certPem: leaf.certPem + madeUp.certPem + client.certPem }
  const rules = { trusted: [own.certPem], own: [own.certPem] }
  assert.deepEqual(await judged(chain, rules), { authorized: false, isOwn: false })
  await assert.rejects(leafOf(client), /belongs to no authority/)
})
