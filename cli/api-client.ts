/**
 * A client of the agent's HTTP API for the commands (cli.md section 1).
 *
 * Address, token and TLS come from flags, then from FAIRLEAD_HTTP_ADDR and the CONSUL_* environment
 * variables. Failures are FairleadErrors whose text says what was asked of whom. Bound: an answer of at
 * most BODY_BYTES_MAX, but for `download`, which holds nothing.
 */

import { readdirSync, readFileSync } from 'node:fs'
import { type ClientRequest, type IncomingMessage, type RequestOptions, request } from 'node:http'
import { request as requestTls } from 'node:https'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { FairleadError } from '../core/errors.ts'
import { type Arguments, type CliContext, type FlagSpec, flag, toggle } from './command.ts'

export const API_FLAGS: readonly FlagSpec[] = [
  flag('http-addr', 'address', 'the agent: host:port, a URL or unix:///path (CONSUL_HTTP_ADDR)'),
  flag('token', 'secret', 'ACL token (CONSUL_HTTP_TOKEN)'),
  flag('token-file', 'path', 'file with the ACL token (CONSUL_HTTP_TOKEN_FILE)'),
  flag('ca-file', 'path', 'certificate authority for HTTPS (CONSUL_CACERT)'),
  flag('ca-path', 'path', 'folder of certificate authorities for HTTPS (CONSUL_CAPATH)'),
  flag('client-cert', 'path', 'client certificate for HTTPS (CONSUL_CLIENT_CERT)'),
  flag('client-key', 'path', 'key of the client certificate (CONSUL_CLIENT_KEY)'),
  flag('tls-server-name', 'name', 'name expected in the certificate (CONSUL_TLS_SERVER_NAME)'),
  flag('namespace', 'name', 'only "default" exists (CONSUL_NAMESPACE)'),
  flag('partition', 'name', 'only "default" exists (CONSUL_PARTITION)'),
]

/** For commands answered by servers. */
export const SERVER_FLAGS: readonly FlagSpec[] = [
  flag('datacenter', 'name', 'ask this datacenter'),
  toggle('stale', 'let any server answer'),
]

export interface ApiAnswer {
  readonly status: number
  readonly body: Buffer
  header(name: Lowercase<string>): string | undefined
  json(): unknown
  text(): string
}

export interface ApiRequest {
  readonly method?: 'GET' | 'PUT' | 'DELETE' | 'POST'
  /** An empty text stands for a parameter without value; a list repeats the parameter. */
  readonly query?: Query
  readonly body?: string | Uint8Array
  /** Statuses besides 200 that are answers, not failures. */
  readonly accept?: readonly number[]
  /** Ends the exchange; rejects with its reason. */
  readonly signal?: AbortSignal
}

type Query = Readonly<Record<string, string | readonly string[] | undefined>>

const BODY_BYTES_MAX = 512 * 1024 * 1024
const DEFAULT_ADDRESS = 'http://127.0.0.1:8500'

export class ApiClient {
  readonly #base: RequestOptions
  readonly #isTls: boolean
  readonly #shown: string
  readonly #addressFrom: string
  readonly #query: Query

  constructor(args: Arguments, context: Pick<CliContext, 'env'>) {
    const env = context.env
    const pick = (name: string, variable: string): string | undefined =>
      args.text(name) ?? nonEmpty(env[variable])
    const { address, from } = addressOf(args, env)
    const target = parseAddress(address, env['CONSUL_HTTP_SSL'] === 'true')
    const token = tokenOf(args, env)
    const auth = nonEmpty(env['CONSUL_HTTP_AUTH'])
    this.#isTls = target.isTls
    this.#shown = target.shown
    this.#addressFrom = from
    this.#query = {
      ns: pick('namespace', 'CONSUL_NAMESPACE'),
      partition: pick('partition', 'CONSUL_PARTITION'),
      dc: args.text('datacenter'),
      stale: args.bool('stale') ? '' : undefined,
    }
    this.#base = {
      ...target.options,
      ...(auth === undefined ? {} : { auth }),
      headers: token === undefined ? {} : { 'X-Consul-Token': token },
      ...(target.isTls
        ? {
            ca: authorities(pick('ca-file', 'CONSUL_CACERT'), pick('ca-path', 'CONSUL_CAPATH')),
            cert: fileText(pick('client-cert', 'CONSUL_CLIENT_CERT')),
            key: fileText(pick('client-key', 'CONSUL_CLIENT_KEY')),
            servername: pick('tls-server-name', 'CONSUL_TLS_SERVER_NAME'),
            rejectUnauthorized: env['CONSUL_HTTP_SSL_VERIFY'] !== 'false',
          }
        : {}),
    }
  }

  async get(path: string, options: Omit<ApiRequest, 'method'> = {}): Promise<ApiAnswer> {
    return await this.send(path, options)
  }

  async put(path: string, options: Omit<ApiRequest, 'method'> = {}): Promise<ApiAnswer> {
    return await this.send(path, { ...options, method: 'PUT' })
  }

  /** @param path with its segments already escaped, starting with `/v1/` */
  async send(path: string, options: ApiRequest): Promise<ApiAnswer> {
    const method = options.method ?? 'GET'
    const full = `${path}${queryString({ ...this.#query, ...options.query })}`
    let answer: ApiAnswer
    try {
      answer = await this.#exchange(method, full, options)
    } catch (err) {
      options.signal?.throwIfAborted()
      throw this.#connectionFailure(method, full, err)
    }
    if (answer.status === 200 || options.accept?.includes(answer.status)) return answer
    throw failureOf(answer)
  }

  /**
   * For bodies that are too large for memory, or have no end.
   *
   * @param signal cuts the exchange, also while it is read
   * @returns the answer's bytes as they come, of status 200
   */
  async download(
    path: string,
    query: Query,
    signal?: AbortSignal,
  ): Promise<AsyncIterable<Uint8Array>> {
    const full = `${path}${queryString({ ...this.#query, ...query })}`
    const send = (outgoing: ClientRequest): void => void outgoing.end()
    const response = await this.#open('GET', full, send, {}, signal).catch((err) => {
      signal?.throwIfAborted()
      throw this.#connectionFailure('GET', full, err)
    })
    if (response.statusCode === 200) return response
    throw failureOf(await wholeAnswer(response))
  }

  /** PUTs a body of that size as it is read. */
  async upload(path: string, body: Readable, sizeBytes: number): Promise<ApiAnswer> {
    const full = `${path}${queryString(this.#query)}`
    let answer: ApiAnswer
    try {
      const headers = { 'Content-Length': String(sizeBytes) }
      const send = (outgoing: ClientRequest): void => {
        // A server that refuses answers before it has read everything: the answer counts.
        pipeline(body, outgoing).catch((err) => outgoing.destroy(err))
      }
      answer = await wholeAnswer(await this.#open('PUT', full, send, headers))
    } catch (err) {
      throw this.#connectionFailure('PUT', full, err)
    }
    if (answer.status === 200) return answer
    throw failureOf(answer)
  }

  #open(
    method: string,
    path: string,
    send: (outgoing: ClientRequest) => void,
    headers: Readonly<Record<string, string>> = {},
    signal?: AbortSignal,
  ): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      const base = this.#base
      const all = { ...(base.headers as Readonly<Record<string, string>>), ...headers }
      const options = {
        ...base,
        method,
        path,
        headers: all,
        ...(signal === undefined ? {} : { signal }),
      }
      const outgoing = this.#isTls ? requestTls(options, resolve) : request(options, resolve)
      outgoing.on('error', reject)
      send(outgoing)
    })
  }

  async #exchange(
    method: string,
    path: string,
    { body, signal }: Pick<ApiRequest, 'body' | 'signal'>,
  ): Promise<ApiAnswer> {
    // Said here, because Node says nothing of the body of a DELETE.
    const headers: Readonly<Record<string, string>> =
      body === undefined ? {} : { 'Content-Length': String(Buffer.byteLength(body)) }
    const send = (outgoing: ClientRequest): void => void outgoing.end(body)
    return wholeAnswer(await this.#open(method, path, send, headers, signal))
  }

  #connectionFailure(method: string, path: string, err: unknown): FairleadError {
    const verb = method.charAt(0) + method.slice(1).toLowerCase()
    const reason = reasonOf(err, this.#base)
    return new FairleadError(
      'NO_SERVERS',
      `Error connecting to the agent: ${verb} "${this.#shown}${path}": ${reason}\nThe address ${this.#addressFrom}`,
      { cause: err, facts: { hint: hintOf(err, this.#base) } },
    )
  }
}

/** In the words of Consul's command line, which scripts look for. */
function reasonOf(err: unknown, base: RequestOptions): string {
  const where =
    base.socketPath === undefined || base.socketPath === null
      ? `dial tcp ${base.host}:${base.port}`
      : `dial unix ${base.socketPath}`
  switch ((err as NodeJS.ErrnoException).code) {
    case 'ECONNREFUSED':
      return `${where}: connect: connection refused`
    case 'ENOENT':
      return `${where}: connect: no such file or directory`
    case 'EACCES':
      return `${where}: connect: permission denied`
    case 'ENOTFOUND':
      return `${where}: no such host`
    case 'ETIMEDOUT':
      return `${where}: i/o timeout`
    default:
      return err instanceof Error ? err.message : String(err)
  }
}

function hintOf(err: unknown, base: RequestOptions): string {
  const elsewhere = 'another address: -http-addr or CONSUL_HTTP_ADDR'
  switch ((err as NodeJS.ErrnoException).code) {
    case 'EACCES':
      return `may this user read and write ${base.socketPath}? ${elsewhere}`
    case 'ENOTFOUND':
      return `is the name right? ${elsewhere}`
    case 'ERR_SSL_WRONG_VERSION_NUMBER':
    case 'ERR_SSL_PACKET_LENGTH_TOO_LONG':
      return `that is no HTTPS; write http://, or unset CONSUL_HTTP_SSL; ${elsewhere}`
    case 'SELF_SIGNED_CERT_IN_CHAIN':
    case 'DEPTH_ZERO_SELF_SIGNED_CERT':
    case 'UNABLE_TO_VERIFY_LEAF_SIGNATURE':
    case 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY':
      return 'name the authority of its certificate: -ca-file or CONSUL_CACERT'
    case 'CERT_HAS_EXPIRED':
      return 'its certificate is over: write a new one on its host, then fairlead reload there'
    case 'ERR_TLS_CERT_ALTNAME_INVALID':
      return 'say which name its certificate has: -tls-server-name or CONSUL_TLS_SERVER_NAME'
    case 'ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED':
    case 'ERR_SSL_SSLV3_ALERT_HANDSHAKE_FAILURE':
    case 'ERR_SSL_TLSV1_ALERT_UNKNOWN_CA':
      return 'it wants a certificate of you: -client-cert and -client-key; fairlead tls cert create -cli'
    case 'ECONNRESET':
      return `if it speaks HTTPS, write https://, or set CONSUL_HTTP_SSL=true; ${elsewhere}`
    default:
      return `is it running? fairlead agent -dev, or systemctl status fairlead; ${elsewhere}`
  }
}

/** The address, and where it comes from as a part of a sentence. */
function addressOf(
  args: Arguments,
  env: CliContext['env'],
): { readonly address: string; readonly from: string } {
  const flagged = args.text('http-addr')
  if (flagged !== undefined) return { address: flagged, from: 'is that of the flag -http-addr' }
  for (const variable of ['FAIRLEAD_HTTP_ADDR', 'CONSUL_HTTP_ADDR']) {
    const address = nonEmpty(env[variable])
    if (address !== undefined) return { address, from: `comes from the environment: ${variable}` }
  }
  return { address: DEFAULT_ADDRESS, from: 'is the default' }
}

async function wholeAnswer(response: IncomingMessage): Promise<ApiAnswer> {
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of response) {
    const bytes = Buffer.from(chunk)
    length += bytes.length
    if (length > BODY_BYTES_MAX) throw new Error(`the answer is over ${BODY_BYTES_MAX} bytes`)
    chunks.push(bytes)
  }
  const whole = Buffer.concat(chunks)
  return {
    status: response.statusCode ?? 0,
    body: whole,
    header: (name) => {
      const value = response.headers[name]
      return typeof value === 'string' ? value : value?.[0]
    },
    json: () => JSON.parse(whole.toString()),
    text: () => whole.toString(),
  }
}

function failureOf(answer: ApiAnswer): FairleadError {
  const detail = answer.text().trim()
  return new FairleadError(
    answer.status === 404 ? 'NOT_FOUND' : 'REJECTED',
    `Unexpected response code: ${answer.status}${detail === '' ? '' : ` (${detail})`}`,
  )
}

function parseAddress(
  address: string,
  preferTls: boolean,
): { readonly options: RequestOptions; readonly isTls: boolean; readonly shown: string } {
  if (address.startsWith('unix://')) {
    const socketPath = address.slice('unix://'.length)
    return { options: { socketPath, host: 'localhost' }, isTls: false, shown: address }
  }
  const scheme = preferTls ? 'https' : 'http'
  const text = /^https?:\/\//.test(address) ? address : `${scheme}://${address}`
  if (!URL.canParse(text)) {
    throw new FairleadError('BAD_REQUEST', `Invalid agent address "${address}"`, {
      facts: { hint: '-http-addr 127.0.0.1:8500' },
    })
  }
  const url = new URL(text)
  const isTls = url.protocol === 'https:'
  const host = url.hostname.replace(/^\[|\]$/g, '')
  const port = url.port === '' ? (isTls ? 443 : 80) : Number(url.port)
  return { options: { host, port }, isTls, shown: `${url.protocol}//${url.host}` }
}

export function tokenOf(args: Arguments, env: CliContext['env']): string | undefined {
  const given = args.text('token')
  if (given !== undefined) return given
  const file = args.text('token-file')
  if (file !== undefined) return fileText(file)?.trim()
  return (
    nonEmpty(env['CONSUL_HTTP_TOKEN']) ?? fileText(nonEmpty(env['CONSUL_HTTP_TOKEN_FILE']))?.trim()
  )
}

/** Of the file, else of all files of the folder; undefined leaves it to the platform. */
export function authorities(
  file: string | undefined,
  folder: string | undefined,
): string[] | undefined {
  const one = fileText(file)
  if (one !== undefined) return [one]
  if (folder === undefined) return undefined
  let names: string[]
  try {
    names = readdirSync(folder)
  } catch (err) {
    throw new FairleadError('BAD_REQUEST', `Error reading "${folder}": ${(err as Error).message}`, {
      cause: err,
    })
  }
  return names
    .filter((name) => /\.(?:pem|crt|cer)$/.test(name))
    .flatMap((name) => fileText(join(folder, name)) ?? [])
}

/** Read while starting a short command, so synchronously. */
function fileText(path: string | undefined): string | undefined {
  if (path === undefined) return undefined
  try {
    return readFileSync(path, 'utf8')
  } catch (err) {
    throw new FairleadError('BAD_REQUEST', `Error reading "${path}": ${(err as Error).message}`, {
      cause: err,
    })
  }
}

function nonEmpty(text: string | undefined): string | undefined {
  return text === undefined || text === '' ? undefined : text
}

function queryString(query: Query): string {
  const parts = Object.entries(query).flatMap(([name, value]) => {
    const values = typeof value === 'string' ? [value] : (value ?? [])
    return values.map((text) => (text === '' ? name : `${name}=${encodeURIComponent(text)}`))
  })
  return parts.length === 0 ? '' : `?${parts.join('&')}`
}
