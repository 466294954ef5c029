/**
 * The authority of agents' TLS and the certificates it gives to servers, clients and operators (cli.md section 12).
 *
 * P-256 throughout. Not the authority of the mesh (server/ca/): this one is made once, by an operator, and its key is
 * needed for nothing but new certificates. Guarantees: names are critical constraints of the certificate, a server's has
 * `server.<datacenter>.<domain>` and nobody else's may; serial numbers are random.
 */

import { createPublicKey, randomBytes } from 'node:crypto'
import { FairleadError } from '../../core/errors.ts'
import type { WallTime } from '../../core/time.ts'
import { parseCertificate, readCertificate } from './certificate.ts'
import { generateEcKey, keyId, type PrivateKey, readPrivateKey, signingAlgorithm } from './keys.ts'
import { toPem } from './pem.ts'
import { loadX509, type X509Library } from './x509-library.ts'

const DAY_MS = 24 * 3_600_000
/** Hosts whose clocks are behind accept it at once. */
const BACKDATE_MS = 60_000
const SERIAL_BYTES = 16

export interface CertificateAndKeyPem {
  readonly certPem: string
  readonly keyPem: string
}

export interface AuthorityOptions {
  /** '' for one that is made up. */
  readonly commonName: string
  readonly days: number
  /** When set, names it may sign: these and below. */
  readonly onlyDomains: readonly string[]
  /** Of the mesh, when it is to be named in the certificate; '' for none. */
  readonly clusterUri: string
  readonly now: WallTime
}

export async function createAgentAuthority(
  options: AuthorityOptions,
): Promise<CertificateAndKeyPem> {
  const x509 = await loadX509()
  const key = await generateEcKey()
  const serial = randomSerial()
  const usages = x509.KeyUsageFlags
  const id = keyIdHex(key)
  const algorithm = signingAlgorithm(key)
  const name = options.commonName === '' ? `Fairlead Agent CA ${serial}` : options.commonName
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: serial,
    name: [{ CN: [name] }],
    ...lifetime(options),
    signingAlgorithm: algorithm,
    keys: {
      privateKey: key.key.toCryptoKey(algorithm, false, ['sign']),
      publicKey: createPublicKey(key.key).toCryptoKey(algorithm, true, ['verify']),
    },
    extensions: [
      new x509.KeyUsagesExtension(
        usages.keyCertSign | usages.cRLSign | usages.digitalSignature,
        true,
      ),
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.SubjectKeyIdentifierExtension(id),
      new x509.AuthorityKeyIdentifierExtension(id),
      ...(options.clusterUri === ''
        ? []
        : [new x509.SubjectAlternativeNameExtension([{ type: 'url', value: options.clusterUri }])]),
      ...nameConstraints(x509, options.onlyDomains),
    ],
  })
  return { certPem: toPem('CERTIFICATE', new Uint8Array(certificate.rawData)), keyPem: key.pem }
}

export type CertificateRole = 'server' | 'client' | 'cli'

export interface AgentCertificateOptions {
  readonly authority: CertificateAndKeyPem
  readonly role: CertificateRole
  readonly commonName: string
  readonly dnsNames: readonly string[]
  readonly ipAddresses: readonly string[]
  readonly days: number
  readonly now: WallTime
}

/** @throws FairleadError BAD_REQUEST when key and certificate of the authority are not what they should be */
export async function createAgentCertificate(
  options: AgentCertificateOptions,
): Promise<CertificateAndKeyPem> {
  const key = await generateEcKey()
  const certPem = await sign(options, key)
  return { certPem, keyPem: key.pem }
}

/**
 * Another of the same names and the same length of life, with a new key.
 *
 * @param certPem the one that is to be replaced
 * @throws FairleadError BAD_REQUEST, as for a first one
 */
export async function renewAgentCertificate(
  certPem: string,
  authority: CertificateAndKeyPem,
  now: WallTime,
): Promise<CertificateAndKeyPem> {
  const x509 = await loadX509()
  const old = new x509.X509Certificate(parseCertificate(certPem).raw)
  const names = old.getExtension(x509.SubjectAlternativeNameExtension)?.names.toJSON() ?? []
  const valuesOf = (type: string): readonly string[] =>
    names.filter((name) => name.type === type).map(({ value }) => value)
  const lifeMs = old.notAfter.getTime() - old.notBefore.getTime()
  return createAgentCertificate({
    authority,
    role: 'server',
    commonName: old.subjectName.getField('CN')[0] ?? '',
    dnsNames: valuesOf('dns'),
    ipAddresses: valuesOf('ip'),
    days: Math.max(1, Math.round(lifeMs / DAY_MS)),
    now,
  })
}

async function sign(options: AgentCertificateOptions, key: PrivateKey): Promise<string> {
  const { authority, role, dnsNames, ipAddresses } = options
  const x509 = await loadX509()
  const issuerKey = readPrivateKey(authority.keyPem)
  const issuer = parseCertificate(authority.certPem)
  if (!issuer.ca || !issuer.checkPrivateKey(issuerKey.key)) {
    const why = issuer.ca ? 'is not that of the certificate' : 'belongs to no authority'
    throw new FairleadError('BAD_REQUEST', `The key of the authority ${why}`)
  }
  const algorithm = signingAlgorithm(issuerKey)
  const usages = x509.KeyUsageFlags
  const both = [x509.ExtendedKeyUsage.serverAuth, x509.ExtendedKeyUsage.clientAuth]
  const authorityId = readCertificate(authority.certPem).subjectKeyId.replaceAll(':', '')
  const ends = lifetime(options)
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: randomSerial(),
    subject: [{ CN: [options.commonName] }],
    issuer: new x509.X509Certificate(issuer.raw).subjectName,
    notBefore: ends.notBefore,
    notAfter: new Date(Math.min(ends.notAfter.getTime(), issuer.validToDate.getTime())),
    publicKey: createPublicKey(key.key).toCryptoKey(signingAlgorithm(key), true, ['verify']),
    signingKey: issuerKey.key.toCryptoKey(algorithm, false, ['sign']),
    signingAlgorithm: algorithm,
    extensions: [
      new x509.KeyUsagesExtension(usages.digitalSignature | usages.keyEncipherment, true),
      ...(role === 'cli' ? [] : [new x509.ExtendedKeyUsageExtension(both)]),
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.SubjectKeyIdentifierExtension(keyIdHex(key)),
      ...(authorityId === '' ? [] : [new x509.AuthorityKeyIdentifierExtension(authorityId)]),
      new x509.SubjectAlternativeNameExtension([
        ...dnsNames.map((value) => ({ type: 'dns' as const, value })),
        ...ipAddresses.map((value) => ({ type: 'ip' as const, value })),
      ]),
    ],
  })
  return toPem('CERTIFICATE', new Uint8Array(certificate.rawData))
}

/** Names that a certificate of a role has besides those asked for. */
export function namesOfRole(
  role: CertificateRole,
  { datacenter, domain, node }: { datacenter: string; domain: string; node: string },
): {
  readonly commonName: string
  readonly dnsNames: readonly string[]
  readonly ips: readonly string[]
} {
  const commonName = `${role}.${datacenter}.${domain}`
  const ofNode = role === 'server' && node !== '' ? [`${node}.server.${datacenter}.${domain}`] : []
  const local = ['localhost']
  return { commonName, dnsNames: [...ofNode, commonName, ...local], ips: ['127.0.0.1'] }
}

function nameConstraints(
  x509: X509Library,
  domains: readonly string[],
): readonly InstanceType<X509Library['Extension']>[] {
  if (domains.length === 0) return []
  // NameConstraints ::= SEQUENCE { [0] permittedSubtrees SEQUENCE OF { base [2] dNSName } }
  const subtrees = domains.map((name) => der(0x30, der(0x82, Buffer.from(name, 'ascii'))))
  const value = der(0x30, der(0xa0, Buffer.concat(subtrees)))
  return [new x509.Extension('2.5.29.30', true, value)]
}

function der(tag: number, body: Buffer): Buffer {
  const { length } = body
  if (length < 0x80) return Buffer.concat([Buffer.from([tag, length]), body])
  return Buffer.concat([Buffer.from([tag, 0x82, length >> 8, length & 0xff]), body])
}

function lifetime({ now, days }: { readonly now: WallTime; readonly days: number }): {
  readonly notBefore: Date
  readonly notAfter: Date
} {
  const begins = Math.floor((now - BACKDATE_MS) / 1000) * 1000
  return { notBefore: new Date(begins), notAfter: new Date(begins + days * DAY_MS) }
}

function keyIdHex(key: PrivateKey): string {
  const spki = createPublicKey(key.key).export({ type: 'spki', format: 'der' })
  return Buffer.from(keyId(spki)).toString('hex')
}

/** Positive: the first bit is clear. */
function randomSerial(): string {
  const bytes = randomBytes(SERIAL_BYTES)
  bytes[0] = ((bytes[0] ?? 0) & 0x7f) | 0x40
  return bytes.toString('hex')
}
