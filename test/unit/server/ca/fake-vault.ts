/**
 * Vault's PKI API as far as the authority uses it, strict: an unknown path, field or token is an error, as there.
 *
 * A real Vault is no package that the tests could install. Keys and certificates are OpenSSL's.
 */

import { createServer, type IncomingMessage, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { readCertificate } from '../../../../runtime/pki/certificate.ts'
import { CLUSTER } from './authority.ts'
import { OpensslAuthority } from './openssl-authority.ts'

const FIELDS: Readonly<Record<string, readonly string[]>> = {
  'sys/mounts/*': ['type', 'config'],
  '*/root/generate/internal': ['common_name', 'uri_sans', 'key_type', 'key_bits', 'ttl'],
  '*/root/sign-intermediate': ['csr', 'use_csr_values', 'format', 'ttl', 'max_path_length'],
  '*/root/sign-self-issued': ['certificate'],
  '*/intermediate/generate/internal': ['common_name', 'uri_sans', 'key_type', 'key_bits'],
  '*/intermediate/set-signed': ['certificate'],
  '*/config/issuers': ['default'],
  '*/roles/leaf-cert': [
    ...['allow_any_name', 'allowed_uri_sans', 'key_type', 'max_ttl', 'no_store', 'require_cn'],
    ...['use_csr_common_name', 'use_csr_sans', 'not_before_duration'],
  ],
  '*/sign/leaf-cert': [
    ...['csr', 'ttl', 'uri_sans', 'alt_names', 'ip_sans', 'exclude_cn_from_sans', 'format'],
  ],
  'auth/token/renew-self': [],
}

type Body = Readonly<Record<string, unknown>>

interface Answer {
  readonly status: number
  readonly body: unknown
}

export class FakeVault implements AsyncDisposable {
  readonly token = 's.a-secret-token'
  readonly calls: string[] = []
  /** Status and text of every answer, while set. */
  failing: Answer | undefined
  readonly own = new OpensslAuthority()
  readonly #server: Server
  readonly #mounts = new Set<string>()
  readonly #pems = new Map<string, string>()
  #role: Body | undefined
  #issuers = 0

  private constructor() {
    this.#server = createServer((request, response) => {
      void this.#answer(request).then(({ status, body }) => {
        const text = typeof body === 'string' ? body : JSON.stringify(body)
        response.writeHead(status).end(status === 204 ? undefined : text)
      })
    })
  }

  static async start(): Promise<FakeVault> {
    const vault = new FakeVault()
    await new Promise<void>((resolve) => vault.#server.listen(0, '127.0.0.1', resolve))
    return vault
  }

  get address(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.own[Symbol.dispose]()
    this.#server.closeAllConnections()
    await new Promise((resolve) => this.#server.close(resolve))
  }

  async #answer(request: IncomingMessage): Promise<Answer> {
    let text = ''
    for await (const chunk of request) text += String(chunk)
    const path = (request.url ?? '').replace(/^\/v1\//, '')
    this.calls.push(`${request.method} ${path}`)
    if (this.failing !== undefined) return this.failing
    if (request.headers['x-vault-token'] !== this.token) return refused(403, 'permission denied')
    if (request.method === 'GET' && path.endsWith('/ca/pem')) {
      const mount = path.slice(0, -'/ca/pem'.length)
      if (!this.#mounts.has(mount)) return refused(404, `no handler for route "${path}"`)
      const pem = this.#pems.get(mount)
      return pem === undefined ? { status: 204, body: '' } : { status: 200, body: pem }
    }
    const body = JSON.parse(text) as Body
    const pattern = Object.keys(FIELDS).find((each) => matches(each, path))
    if (request.method !== 'POST' || pattern === undefined) {
      return refused(404, `unsupported path "${path}"`)
    }
    const unknown = Object.keys(body).find((key) => !FIELDS[pattern]?.includes(key))
    if (unknown !== undefined) return refused(400, `unknown field ${unknown}`)
    return this.#act(pattern, path, body)
  }

  #act(pattern: string, path: string, body: Body): Answer {
    const mount = path.slice(0, Math.max(0, path.length - pattern.length + 1))
    if (pattern === 'sys/mounts/*') {
      if (body['type'] !== 'pki') return refused(400, 'plugin not found')
      this.#mounts.add(path.slice('sys/mounts/'.length))
      return { status: 204, body: '' }
    }
    if (pattern === 'auth/token/renew-self') return { status: 200, body: { auth: {} } }
    if (!this.#mounts.has(mount)) return refused(404, `no handler for route "${path}"`)
    switch (pattern) {
      case '*/root/generate/internal':
        this.#pems.set(mount, this.own.read('root.pem'))
        return data({ certificate: this.own.read('root.pem'), issuer_id: 'root-1' })
      case '*/intermediate/generate/internal':
        if (body['uri_sans'] !== `spiffe://${CLUSTER}.consul`) return refused(400, 'bad uri_sans')
        this.own.makeIntermediate('signing')
        return data({ csr: this.own.read('signing.csr') })
      case '*/root/sign-intermediate':
        this.own.write('asked.csr', String(body['csr']))
        this.own.sign(this.own.path('asked.csr'), 'ca.ext', 'signing.pem', 'root', '365')
        return data({
          certificate: this.own.read('signing.pem'),
          issuing_ca: this.own.read('root.pem'),
        })
      case '*/intermediate/set-signed':
        this.#pems.set(mount, String(body['certificate']))
        this.#issuers += 1
        return data({ imported_issuers: [`issuer-${this.#issuers}`] })
      case '*/config/issuers':
        return body['default'] === `issuer-${this.#issuers}`
          ? data({ default: body['default'] })
          : refused(400, 'no such issuer')
      case '*/roles/leaf-cert':
        this.#role = body
        return { status: 204, body: '' }
      case '*/root/sign-self-issued':
        return data({ certificate: this.#crossSign(String(body['certificate'])) })
      case '*/sign/leaf-cert':
        return this.#leaf(body)
      default:
        return refused(404, 'unsupported path')
    }
  }

  #crossSign(pem: string): string {
    this.own.write('foreign.pem', pem)
    const key = this.own.run('x509', '-in', this.own.path('foreign.pem'), '-noout', '-pubkey')
    this.own.write('foreign.pub', key)
    // As Vault, which takes over everything but the authority.
    this.own.write(
      'bridge.ext',
      this.own
        .read('ca.ext')
        .replace(
          'subjectKeyIdentifier=hash',
          `subjectKeyIdentifier=${readCertificate(pem).subjectKeyId}`,
        )
        .concat('authorityKeyIdentifier=keyid\n'),
    )
    const subject = this.own
      .run('x509', '-in', this.own.path('foreign.pem'), '-noout', '-subject', '-nameopt', 'compat')
      .trim()
      .replace(/^subject= ?\/?/, '/')
      .replaceAll(', ', '/')
    const how = ['-new', '-force_pubkey', this.own.path('foreign.pub'), '-subj', subject]
    const by = ['-CA', this.own.path('root.pem'), '-CAkey', this.own.path('root.key')]
    const ends = ['-days', '7', '-extfile', this.own.path('bridge.ext')]
    this.own.run('x509', ...how, ...by, ...ends, '-out', this.own.path('bridge.pem'))
    return this.own.read('bridge.pem')
  }

  #leaf(body: Body): Answer {
    if (this.#role?.['require_cn'] !== false)
      return refused(400, 'the common_name field is required')
    if (!/^\d+s$/.test(String(body['ttl']))) return refused(400, 'bad ttl')
    this.own.write(
      'leaf.ext',
      `basicConstraints=critical,CA:false
keyUsage=critical,digitalSignature,keyEncipherment
extendedKeyUsage=clientAuth,serverAuth
subjectKeyIdentifier=hash
authorityKeyIdentifier=keyid
subjectAltName=critical,URI:${String(body['uri_sans'])}
`,
    )
    const csr = this.own.write('leaf.csr', String(body['csr']))
    this.own.sign(csr, 'leaf.ext', 'leaf.pem', 'signing', '3')
    return data({
      certificate: this.own.read('leaf.pem'),
      ca_chain: [this.own.read('signing.pem')],
    })
  }
}

function matches(pattern: string, path: string): boolean {
  if (pattern.startsWith('*')) return path.endsWith(pattern.slice(1))
  return pattern.endsWith('*') ? path.startsWith(pattern.slice(0, -1)) : path === pattern
}

function data(value: Body): Answer {
  return { status: 200, body: { request_id: 'r', data: value, warnings: null } }
}

function refused(status: number, message: string): Answer {
  return { status, body: { errors: [message] } }
}
