/**
 * The TLS part of the configuration (agent-config.md 3.4, 6, 13): what each listener and the calls to servers use. Pure.
 *
 * Files are named here and read by runtime/tls/. Guarantees: what comes out can be put in force once the files are
 * good: who is asked to verify has authorities, and who is to serve has a certificate and a key.
 */

import { cipherSuites } from './cipher-suites.ts'
import { ipFamily } from './ip-address.ts'
import type { RawReader } from './raw-reader.ts'

export type TlsVersion = 'TLSv1.2' | 'TLSv1.3'

export interface TlsStanza {
  /** Paths; '' for none. */
  readonly caFile: string
  readonly caPath: string
  readonly certFile: string
  readonly keyFile: string
  readonly minVersion: TlsVersion
  /** In OpenSSL's words; '' leaves them to us. */
  readonly ciphers: string
  readonly verifyIncoming: boolean
}

export interface TlsConfig {
  readonly internalRpc: TlsStanza & {
    readonly verifyOutgoing: boolean
    readonly verifyServerHostname: boolean
    /** `server.<datacenter>.<domain>` unless given. */
    readonly serverName: string
    readonly handshakeTimeoutMs: number
  }
  readonly https: TlsStanza & { readonly handshakeTimeoutMs: number }
  readonly grpc: TlsStanza & { readonly usesAutoCert: boolean }
  /** Of the key that makes certificates of servers; '' for none. */
  readonly authorityKeyFile: string
  readonly autoEncrypt: {
    /** A client's. */
    readonly enabled: boolean
    /** A server's. */
    readonly isAllowed: boolean
    readonly dnsNames: readonly string[]
    readonly ipAddresses: readonly string[]
  }
}

export interface TlsFacts {
  readonly server: boolean
  readonly datacenter: string
  /** Without a dot at its end. */
  readonly domain: string
}

const STANZAS = ['internal_rpc', 'https', 'grpc'] as const
type StanzaName = (typeof STANZAS)[number]

const VERSIONS: Readonly<Record<string, TlsVersion>> = {
  TLSv1_2: 'TLSv1.2',
  TLSv1_3: 'TLSv1.3',
  tls12: 'TLSv1.2',
  tls13: 'TLSv1.3',
}

export function resolveTls(reader: RawReader, facts: TlsFacts): TlsConfig {
  refuseMisplaced(reader)
  const own = serverNameOf(facts.datacenter, facts.domain)
  const verifyServerHostname = inherited(reader, 'internal_rpc', 'verify_server_hostname', false)
  const config: TlsConfig = {
    internalRpc: {
      ...resolveStanza(reader, 'internal_rpc'),
      verifyOutgoing:
        verifyServerHostname || inherited(reader, 'internal_rpc', 'verify_outgoing', false),
      verifyServerHostname,
      serverName: reader.text('tls.internal_rpc.server_name', '') || own,
      handshakeTimeoutMs: reader.number('limits.rpc_handshake_timeout', 5_000, 1),
    },
    https: {
      ...resolveStanza(reader, 'https'),
      handshakeTimeoutMs: reader.number('limits.https_handshake_timeout', 5_000, 1),
    },
    grpc: {
      ...resolveStanza(reader, 'grpc'),
      usesAutoCert: reader.bool('tls.grpc.use_auto_cert', false),
    },
    authorityKeyFile: reader.text('tls.authority_key_file', ''),
    autoEncrypt: {
      enabled: reader.bool('auto_encrypt.tls', false),
      isAllowed: reader.bool('auto_encrypt.allow_tls', false),
      dnsNames: reader.list('auto_encrypt.dns_san'),
      ipAddresses: resolveAddresses(reader),
    },
  }
  checkRpc(reader, config, facts)
  checkAutoEncrypt(reader, config, facts)
  for (const name of ['https', 'grpc'] as const) checkListener(reader, name, config[name])
  return config
}

export function serverNameOf(datacenter: string, domain: string): string {
  return `server.${datacenter}.${domain}`
}

/** Whether anything of it is to be used at all. */
export function isTlsOn({ internalRpc, https, grpc }: TlsConfig): boolean {
  return [internalRpc, https, grpc].some(
    (stanza) => hasCertificate(stanza) || hasAuthorities(stanza),
  )
}

/** Whether a listener has what it needs to speak TLS. */
export function hasCertificate({ certFile, keyFile }: TlsStanza): boolean {
  return certFile !== '' && keyFile !== ''
}

export function hasAuthorities({ caFile, caPath }: TlsStanza): boolean {
  return caFile !== '' || caPath !== ''
}

function resolveStanza(reader: RawReader, name: StanzaName): TlsStanza {
  const text = (key: string): string => inherited(reader, name, key, '')
  const certFile = text('cert_file')
  const keyFile = text('key_file')
  if ((certFile === '') !== (keyFile === '')) {
    const [missing, given] = certFile === '' ? ['cert_file', 'key_file'] : ['key_file', 'cert_file']
    reader.problem(
      keyOf(reader, name, given),
      `tls.${name}: ${given} is set, and ${missing} is not`,
      `set ${missing} as well`,
    )
  }
  const suites = text('tls_cipher_suites')
  return {
    caFile: text('ca_file'),
    caPath: text('ca_path'),
    certFile,
    keyFile,
    minVersion: resolveVersion(reader, name, suites),
    ciphers: resolveSuites(reader, name, suites),
    verifyIncoming: inherited(reader, name, 'verify_incoming', false),
  }
}

/** Between agents there is nobody who does not know 1.3. */
function resolveVersion(reader: RawReader, name: StanzaName, suites: string): TlsVersion {
  const given = inherited(reader, name, 'tls_min_version', '')
  if (given === '') return name === 'internal_rpc' && suites === '' ? 'TLSv1.3' : 'TLSv1.2'
  const version = VERSIONS[given]
  const key = keyOf(reader, name, 'tls_min_version')
  if (version === undefined) {
    const isOld = /^(?:TLSv1_[01]|tls1[01])$/.test(given)
    const what = isOld ? 'is broken and not offered' : 'is no version of TLS'
    reader.problem(key, `${key}: "${given}" ${what}`, 'use TLSv1_2 or TLSv1_3')
  } else if (version === 'TLSv1.3' && suites !== '') {
    const of = keyOf(reader, name, 'tls_cipher_suites')
    reader.problem(of, `${of} cannot be set when the minimum is TLSv1_3`, 'remove one of them')
  }
  return version ?? 'TLSv1.2'
}

function resolveSuites(reader: RawReader, name: StanzaName, suites: string): string {
  if (suites === '') return ''
  const key = keyOf(reader, name, 'tls_cipher_suites')
  const { ciphers, unknown } = cipherSuites(suites)
  for (const suite of unknown) {
    reader.problem(key, `${key}: unsupported cipher suite "${suite}"`, 'remove it, or all of them')
  }
  return ciphers
}

/** Consul's words for keys in stanzas where they mean nothing. */
function refuseMisplaced(reader: RawReader): void {
  const refuse = (key: string, message: string): void => {
    if (reader.bool(key, false)) reader.problem(key, message, `remove ${key}`)
  }
  refuse('tls.grpc.verify_outgoing', 'verify_outgoing is not valid in the tls.grpc stanza')
  for (const name of ['https', 'grpc']) {
    refuse(
      `tls.${name}.verify_server_hostname`,
      'verify_server_hostname is only valid in the tls.defaults and tls.internal_rpc stanzas',
    )
  }
  for (const name of ['defaults', 'internal_rpc', 'https']) {
    refuse(`tls.${name}.use_auto_cert`, 'use_auto_cert is only valid in the tls.grpc stanza')
  }
}

function checkRpc(
  reader: RawReader,
  { internalRpc, autoEncrypt }: TlsConfig,
  facts: TlsFacts,
): void {
  const { verifyIncoming, verifyOutgoing, verifyServerHostname } = internalRpc
  if (verifyOutgoing && !hasAuthorities(internalRpc)) {
    const name = verifyServerHostname ? 'verify_server_hostname' : 'verify_outgoing'
    const key = keyOf(reader, 'internal_rpc', name)
    reader.problem(
      key,
      `${key} is set, and no authority to check the certificates of servers with`,
      'set tls.defaults.ca_file',
    )
  }
  if (facts.server) {
    checkListener(reader, 'internal_rpc', internalRpc)
    if (verifyServerHostname && !verifyIncoming) {
      reader.warnings.push(
        'verify_server_hostname without verify_incoming: callers without TLS are still taken for servers; set tls.internal_rpc.verify_incoming once all agents speak TLS',
      )
    }
  } else if (verifyOutgoing && !hasCertificate(internalRpc) && !autoEncrypt.enabled) {
    reader.warnings.push(
      'tls.internal_rpc has no certificate of this agent: servers with verify_incoming refuse it; set cert_file and key_file, or auto_encrypt.tls',
    )
  }
}

function checkListener(reader: RawReader, name: StanzaName, stanza: TlsStanza): void {
  if (!stanza.verifyIncoming) return
  const key = keyOf(reader, name, 'verify_incoming')
  if (!hasAuthorities(stanza)) {
    reader.problem(
      key,
      `${key} is set, and no authority to check certificates with`,
      'set tls.defaults.ca_file',
    )
  }
  if (name === 'internal_rpc' && !hasCertificate(stanza)) {
    reader.problem(
      key,
      `${key} is set, and this server has no certificate`,
      'set tls.defaults.cert_file and key_file; fairlead tls cert create -server makes them',
    )
  }
}

function checkAutoEncrypt(reader: RawReader, config: TlsConfig, facts: TlsFacts): void {
  const { enabled, isAllowed } = config.autoEncrypt
  if (reader.bool('auto_config.enabled', false)) {
    reader.problem(
      'auto_config.enabled',
      'auto_config is not supported',
      'remove it, and let the host join by a token: fairlead join-token create',
    )
  }
  if (enabled && facts.server) {
    reader.problem(
      'auto_encrypt.tls',
      'auto_encrypt.tls can only be used on a client.',
      'remove it',
    )
  }
  if (isAllowed && !facts.server) {
    const message = 'auto_encrypt.allow_tls can only be used on a server.'
    reader.problem('auto_encrypt.allow_tls', message, 'remove it')
  }
  if (isAllowed && facts.server && !hasCertificate(config.internalRpc)) {
    reader.problem(
      'auto_encrypt.allow_tls',
      'auto_encrypt.allow_tls is set, and this server has no certificate',
      'set tls.defaults.cert_file and key_file',
    )
  }
  if (enabled && !config.internalRpc.verifyOutgoing) {
    reader.problem(
      'auto_encrypt.tls',
      'auto_encrypt.tls needs tls.internal_rpc.verify_outgoing or verify_server_hostname',
      'set tls.defaults.verify_outgoing and tls.defaults.ca_file',
    )
  }
  if (enabled && hasCertificate(config.internalRpc)) {
    reader.problem(
      'auto_encrypt.tls',
      'auto_encrypt.tls is set, and so is a certificate of this agent for calls to servers',
      'remove one of them',
    )
  }
  if (config.grpc.usesAutoCert && !enabled) {
    reader.problem(
      'tls.grpc.use_auto_cert',
      'tls.grpc.use_auto_cert needs auto_encrypt.tls',
      'set cert_file and key_file instead',
    )
  }
}

function resolveAddresses(reader: RawReader): readonly string[] {
  const key = 'auto_encrypt.ip_san'
  const addresses = reader.list(key)
  for (const address of addresses) {
    if (ipFamily(address) !== undefined) continue
    reader.problem(key, `${key} must hold ip addresses, got "${address}"`, 'write IP addresses')
  }
  return addresses
}

/** Of the stanza, else of the defaults. */
function inherited<T extends string | boolean>(
  reader: RawReader,
  name: StanzaName,
  key: string,
  fallback: T,
): T {
  const path = keyOf(reader, name, key)
  const value =
    typeof fallback === 'boolean' ? reader.bool(path, fallback) : reader.text(path, fallback)
  return value as T
}

/** The key that decides: for messages as well. */
function keyOf(reader: RawReader, name: StanzaName, key: string): string {
  const own = `tls.${name}.${key}`
  const general = `tls.defaults.${key}`
  return !reader.has(own) && reader.has(general) ? general : own
}
