/**
 * Vault's PKI as the authority: the root and the intermediate's key stay in Vault, leaves are signed there.
 *
 * Configuration as in Consul: Address, Token, RootPKIPath, IntermediatePKIPath, Namespace, CAFile, TLSServerName,
 * TLSSkipVerify, PrivateKeyType and PrivateKeyBits. Mounts, root, intermediate and role that are missing are made.
 * The token is kept with the secrets of the authority and renewed by `keepAlive`; no message shows it.
 * Not supported: AuthMethod, client certificates, an IntermediatePKINamespace of its own.
 */

import { readFile } from 'node:fs/promises'
import type { Json, JsonObject } from '../../core/catalog/types.ts'
import { FairleadError } from '../../core/errors.ts'
import { type PlainCall, plainCall } from '../../runtime/http/plain-call.ts'
import { isSignedBy } from '../../runtime/pki/certificate.ts'
import { rootCommonName } from '../../runtime/pki/root-certificate.ts'
import { readCaConfig, textSetting } from './ca-config.ts'
import { assertSameRoot, certificatesOf } from './external-chain.ts'
import type {
  CaProvider,
  LeafOrder,
  ProviderContext,
  ProviderKind,
  SigningChain,
} from './provider.ts'

export const VAULT: ProviderKind = {
  label: 'Vault',
  secretKeys: ['Token'],
  create: async (config, present, context) => {
    const token = textSetting(config, 'Token', present)
    if (token === '') throw bad('Token is required')
    const vault = await Vault.open(config, token, context)
    return { provider: await vault.prepare(), secret: token }
  },
  open: async (config, token, rootPem, context) => {
    const provider = await (await Vault.open(config, token, context)).prepare()
    assertSameRoot(provider.chain, rootPem)
    return provider
  },
}

const TIMEOUT_MS = 10_000
const BYTES_MAX = 1024 * 1024
const ROLE = 'leaf-cert'
const UNSUPPORTED = ['AuthMethod', 'CertFile', 'KeyFile', 'CAPath', 'IntermediatePKINamespace']

class Vault {
  readonly #base: Pick<PlainCall, 'caPem' | 'serverName' | 'isUnverified'>
  readonly #address: string
  readonly #headers: Readonly<Record<string, string>>
  readonly #root: string
  readonly #intermediate: string
  readonly #config: JsonObject
  readonly #context: ProviderContext

  private constructor(
    config: JsonObject,
    token: string,
    caPem: string | undefined,
    context: ProviderContext,
  ) {
    this.#config = config
    this.#context = context
    this.#address = addressOf(config)
    const namespace = textSetting(config, 'Namespace', '')
    this.#headers = {
      'x-vault-token': token,
      'x-vault-request': 'true',
      ...(namespace === '' ? {} : { 'x-vault-namespace': namespace }),
    }
    const serverName = textSetting(config, 'TLSServerName', '')
    this.#base = {
      ...(caPem === undefined ? {} : { caPem }),
      ...(serverName === '' ? {} : { serverName }),
      isUnverified: config['TLSSkipVerify'] === true,
    }
    this.#root = mountOf(config, 'RootPKIPath')
    this.#intermediate = mountOf(config, 'IntermediatePKIPath')
    if (this.#root === this.#intermediate) {
      throw bad('RootPKIPath and IntermediatePKIPath must be different')
    }
  }

  static async open(config: JsonObject, token: string, context: ProviderContext): Promise<Vault> {
    for (const key of UNSUPPORTED) {
      const value = config[key]
      if (value === undefined || value === '' || value === null) continue
      throw new FairleadError('NOT_SUPPORTED', `${key} of the Vault provider is not supported`)
    }
    const path = textSetting(config, 'CAFile', '')
    let caPem: string | undefined
    try {
      caPem = path === '' ? undefined : await readFile(path, 'latin1')
    } catch (cause) {
      throw new FairleadError('BAD_REQUEST', `CAFile "${path}" cannot be read`, { cause })
    }
    return new Vault(config, token, caPem, context)
  }

  /** Makes what is missing. */
  async prepare(): Promise<VaultProvider> {
    const { leafTtlMs, rootTtlMs } = readCaConfig(this.#config)
    const rootPem = (await this.#certificate(this.#root, rootTtlMs)) ?? (await this.#makeRoot())
    let signingPem = await this.#certificate(this.#intermediate, rootTtlMs)
    if (signingPem === undefined || !isSignedBy(signingPem, rootPem)) {
      signingPem = await this.makeIntermediate()
    }
    await this.#post(`${this.#intermediate}/roles/${ROLE}`, {
      allow_any_name: true,
      allowed_uri_sans: 'spiffe://*',
      key_type: 'any',
      max_ttl: seconds(leafTtlMs),
      no_store: true,
      require_cn: false,
      use_csr_common_name: false,
      use_csr_sans: false,
      not_before_duration: '60s',
    })
    return new VaultProvider(this, { rootPem, intermediatesPem: [signingPem] })
  }

  async makeIntermediate(): Promise<string> {
    const { privateKeyType, privateKeyBits, intermediateTtlMs } = readCaConfig(this.#config)
    const mount = this.#intermediate
    const { csr } = await this.#post(`${mount}/intermediate/generate/internal`, {
      common_name: this.#commonName(),
      uri_sans: `spiffe://${this.#context.trustDomain}`,
      key_type: privateKeyType,
      key_bits: privateKeyBits,
    })
    const { certificate } = await this.#post(`${this.#root}/root/sign-intermediate`, {
      csr: csr ?? '',
      use_csr_values: true,
      format: 'pem',
      ttl: seconds(intermediateTtlMs),
      max_path_length: 0,
    })
    const signed = onlyCertificate(certificate)
    const imported = await this.#post(`${mount}/intermediate/set-signed`, { certificate: signed })
    // Since Vault 1.11 a mount keeps its default issuer beside the new one.
    const [issuer] = Array.isArray(imported['imported_issuers']) ? imported['imported_issuers'] : []
    if (typeof issuer === 'string') {
      await this.#post(`${mount}/config/issuers`, { default: issuer })
    }
    return signed
  }

  async signLeaf({ csrPem, csr, uri, ttlMs }: LeafOrder): Promise<string> {
    const { certificate } = await this.#post(`${this.#intermediate}/sign/${ROLE}`, {
      csr: csrPem,
      ttl: seconds(ttlMs),
      uri_sans: uri,
      alt_names: csr.dnsNames.join(','),
      ip_sans: csr.ipAddresses.join(','),
      exclude_cn_from_sans: true,
      format: 'pem',
    })
    return onlyCertificate(certificate)
  }

  async crossSign(rootPem: string): Promise<string> {
    const path = `${this.#root}/root/sign-self-issued`
    const { certificate } = await this.#post(path, { certificate: rootPem })
    return onlyCertificate(certificate)
  }

  async keepAlive(): Promise<void> {
    await this.#post('auth/token/renew-self', {})
  }

  async #makeRoot(): Promise<string> {
    const { privateKeyType, privateKeyBits, rootTtlMs } = readCaConfig(this.#config)
    const { certificate } = await this.#post(`${this.#root}/root/generate/internal`, {
      common_name: this.#commonName(),
      uri_sans: `spiffe://${this.#context.trustDomain}`,
      key_type: privateKeyType,
      key_bits: privateKeyBits,
      ttl: seconds(rootTtlMs),
    })
    return onlyCertificate(certificate)
  }

  #commonName(): string {
    const { clusterId, rng } = this.#context
    return rootCommonName(clusterId, rng).replace('.consul.ca.', '.vault.ca.')
  }

  /** Of a mount, which is made where there is none. @returns undefined when it has no certificate yet */
  async #certificate(mount: string, ttlMs: number): Promise<string | undefined> {
    const answer = await this.#call('GET', `${mount}/ca/pem`)
    if (answer.status === 404) {
      const config = { max_lease_ttl: seconds(ttlMs) }
      await this.#post(`sys/mounts/${mount}`, { type: 'pki', config })
      return undefined
    }
    if (answer.status !== 200 && answer.status !== 204) throw refusal(answer.status, answer.body)
    return certificatesOf(answer.body)[0]
  }

  /** @returns `data` of the answer */
  async #post(path: string, body: JsonObject): Promise<JsonObject> {
    const { status, body: text } = await this.#call('POST', path, body)
    if (status !== 200 && status !== 204) throw refusal(status, text)
    return objectOf(objectOf(parsed(text))['data'])
  }

  async #call(method: 'GET' | 'POST', path: string, body?: JsonObject) {
    try {
      return await plainCall({
        ...this.#base,
        url: new URL(`v1/${path}`, this.#address),
        method,
        headers: this.#headers,
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        timeoutMs: TIMEOUT_MS,
        bytesMax: BYTES_MAX,
      })
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause)
      throw new FairleadError('REJECTED', `Vault cannot be reached: ${why}`, { cause })
    }
  }
}

class VaultProvider implements CaProvider {
  readonly chain: SigningChain
  readonly #vault: Vault

  constructor(vault: Vault, chain: SigningChain) {
    this.#vault = vault
    this.chain = chain
  }

  signLeaf(order: LeafOrder): Promise<string> {
    return this.#vault.signLeaf(order)
  }

  crossSign(rootPem: string): Promise<string> {
    return this.#vault.crossSign(rootPem)
  }

  async renew(): Promise<SigningChain> {
    const intermediatesPem = [await this.#vault.makeIntermediate()]
    return { rootPem: this.chain.rootPem, intermediatesPem }
  }

  keepAlive(): Promise<void> {
    return this.#vault.keepAlive()
  }
}

function addressOf(config: JsonObject): string {
  const address = textSetting(config, 'Address', '')
  const url = URL.canParse(address) ? new URL(address) : undefined
  if (url?.protocol === 'http:' || url?.protocol === 'https:') return `${url.origin}/`
  throw bad(`Address "${address}" is not the URL of a Vault, as in https://vault.example:8200`)
}

function mountOf(config: JsonObject, key: string): string {
  const mount = textSetting(config, key, '').replace(/^\/+|\/+$/g, '')
  if (/^[\w.-]+(?:\/[\w.-]+)*$/.test(mount) && !mount.split('/').includes('..')) return mount
  throw bad(mount === '' ? `${key} is required` : `${key} "${mount}" is not the path of a mount`)
}

function onlyCertificate(value: Json | undefined): string {
  const [pem] = typeof value === 'string' ? certificatesOf(value) : []
  if (pem !== undefined) return pem
  throw new FairleadError('REJECTED', 'Vault answered without a certificate')
}

function refusal(status: number, text: string): FairleadError {
  if (status === 429) {
    return new FairleadError('RATE_LIMITED', 'Rate limit reached, try again later')
  }
  const { errors } = objectOf(parsed(text))
  const said = Array.isArray(errors) ? errors.map(String).join('; ').slice(0, 500) : ''
  return new FairleadError('REJECTED', `Vault answered ${status}${said === '' ? '' : `: ${said}`}`)
}

function parsed(text: string): Json {
  try {
    return JSON.parse(text) as Json
  } catch {
    return null
  }
}

function objectOf(value: Json | undefined): JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as JsonObject)
    : {}
}

function seconds(ms: number): string {
  return `${Math.floor(ms / 1000)}s`
}

function bad(message: string): FairleadError {
  return new FairleadError('BAD_REQUEST', message)
}
