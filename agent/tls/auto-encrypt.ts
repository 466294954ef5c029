/**
 * auto_encrypt of a client agent: gets its certificate for calls to servers from the servers, and renews it
 * (agent-config.md section 6).
 *
 * Guarantees: the key is made here and leaves this process for nowhere, also not for the disk; a certificate is renewed
 * once RENEW_AT of its life is over, and again and again, ever more seldom up to RETRY_MAX_MS, while that fails; what it
 * fails of is in the log. Before the first one `isReady` is false and nobody should call servers. Asks one server at a time.
 */

import type { Service } from '../../core/lifecycle.ts'
import type { Logger } from '../../core/log.ts'
import { agentSpiffeUri } from '../../core/mesh/spiffe.ts'
import type { Rng } from '../../core/rng.ts'
import type { SignedLeaf } from '../../core/rpc/server-api.ts'
import type { Clock } from '../../core/time.ts'
import { createKeyAndCsr } from '../../runtime/pki/csr.ts'
import { RpcChannel } from '../../runtime/rpc/rpc-channel.ts'
import type { DialTls } from '../../runtime/tls/rpc-tls.ts'
import type { CertificateAndKey } from '../../runtime/tls/tls-files.ts'

/** Of a certificate's life; a tenth of it later at most, so that a fleet does not come at once. */
const RENEW_AT = 0.5
const RENEW_SPREAD = 0.1
const RETRY_FIRST_MS = 500
const RETRY_MAX_MS = 30_000
const CONNECT_TIMEOUT_MS = 5_000
const ANSWER_TIMEOUT_MS = 20_000
/** The servers put their own in its place. */
const ANY_TRUST_DOMAIN = 'unknown.consul'

export interface AutoEncryptOptions {
  readonly datacenter: string
  readonly nodeName: string
  readonly dnsNames: readonly string[]
  readonly ipAddresses: readonly string[]
}

export interface AutoEncryptDeps {
  readonly clock: Clock
  readonly rng: Rng
  readonly log: Logger
  /** `host:port` of the servers known now. */
  readonly servers: () => readonly string[]
  /** Without a certificate. */
  readonly tls: DialTls
  /** Of the agent's token; '' for none. */
  readonly secret: () => string
  readonly onCertificate: (own: CertificateAndKey) => void
}

export class AutoEncrypt implements Service {
  readonly #options: AutoEncryptOptions
  readonly #deps: AutoEncryptDeps
  readonly #stopping = new AbortController()
  #running: Promise<void> = Promise.resolve()
  #isReady = false

  constructor(options: AutoEncryptOptions, deps: AutoEncryptDeps) {
    this.#options = options
    this.#deps = deps
  }

  get isReady(): boolean {
    return this.#isReady
  }

  /** Does not wait for a certificate: the servers may not be there yet. */
  async start(): Promise<void> {
    this.#running = this.#run()
  }

  async drain(): Promise<void> {}

  async stop(): Promise<void> {
    this.#stopping.abort()
    await this.#running
  }

  async #run(): Promise<void> {
    const { clock, rng, log } = this.#deps
    const { signal } = this.#stopping
    let failures = 0
    while (!signal.aborted) {
      let waitMs: number
      try {
        const { notBefore, notAfter } = await this.#renew()
        failures = 0
        const at = notBefore + (notAfter - notBefore) * (RENEW_AT + rng.float() * RENEW_SPREAD)
        waitMs = Math.max(RETRY_FIRST_MS, at - clock.wall())
      } catch (err) {
        if (signal.aborted) return
        const ceiling = Math.min(RETRY_MAX_MS, RETRY_FIRST_MS * 2 ** Math.min(failures, 10))
        waitMs = ceiling * (0.5 + rng.float() / 2)
        failures += 1
        // Its servers are not found at once.
        const report = failures > 3 ? log.warn.bind(log) : log.debug.bind(log)
        report('no certificate for calls to servers yet', { err, retryMs: Math.round(waitMs) })
      }
      await clock.sleep(waitMs, signal).catch(() => {})
    }
  }

  async #renew(): Promise<SignedLeaf> {
    const { servers, rng, clock, tls, secret, log, onCertificate } = this.#deps
    const { datacenter, nodeName, dnsNames, ipAddresses } = this.#options
    const { signal } = this.#stopping
    const known = servers()
    const address = known[rng.range(0, Math.max(1, known.length))]
    if (address === undefined) throw new Error('no server is known yet; see retry_join')
    const { csrPem, privateKeyPem } = await createKeyAndCsr({
      uri: agentSpiffeUri(ANY_TRUST_DOMAIN, datacenter, nodeName),
      dnsNames: ['localhost', ...dnsNames],
      ipAddresses: ['127.0.0.1', '::1', ...ipAddresses],
    })
    const channel = await RpcChannel.open(address, clock, { tls: tls() })
    try {
      await channel.whenReady(CONNECT_TIMEOUT_MS, signal)
      const options = { timeoutMs: ANSWER_TIMEOUT_MS, signal, secret: secret() }
      const leaf = (await channel.call('signLeaf', { csrPem }, options)) as SignedLeaf
      onCertificate({ certPem: leaf.certPem, keyPem: privateKeyPem })
      log.info(this.#isReady ? 'certificate renewed' : 'got a certificate from a server', {
        peer: address,
        ends: new Date(leaf.notAfter).toISOString(),
      })
      this.#isReady = true
      return leaf
    } finally {
      channel.close()
    }
  }
}
