/**
 * A server that has the key of the authority renews its own certificate (docs/decisions/0042).
 *
 * Only where certificate and key are one file, as `fairlead init` and `join` write it: then both are replaced at once, and a crash
 * leaves the old or the new. Guarantees: once a third of a certificate's life is left it is replaced, by one of the same
 * names and length; listeners take it without a restart. What fails is in the log, and tried again the next day.
 */

import { X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import type { TlsConfig } from '../../core/config/tls.ts'
import type { Service } from '../../core/lifecycle.ts'
import type { Logger } from '../../core/log.ts'
import { type Clock, instant, type Timer } from '../../core/time.ts'
import { writeFileAtomic } from '../../runtime/host/atomic-file.ts'
import { renewAgentCertificate } from '../../runtime/pki/agent-certificates.ts'
import { parseCertificate } from '../../runtime/pki/certificate.ts'
import { readPrivateKey } from '../../runtime/pki/keys.ts'
import { pemBlocks } from '../../runtime/pki/pem.ts'

const DAY_MS = 24 * 3_600_000
const LEFT_PART = 1 / 3

export interface OwnRenewalDeps {
  readonly clock: Clock
  readonly log: Logger
  /** Takes the files of the configuration anew. */
  readonly onRenewed: () => Promise<void>
}

export class OwnRenewal implements Service {
  readonly #config: TlsConfig
  readonly #deps: OwnRenewalDeps
  #timer: Timer | undefined
  #looking: Promise<void> = Promise.resolve()
  #isStopped = false

  constructor(config: TlsConfig, deps: OwnRenewalDeps) {
    this.#config = config
    this.#deps = deps
  }

  /** Whether this server can do it at all. */
  static isFor({ authorityKeyFile, internalRpc }: TlsConfig): boolean {
    const { certFile, keyFile, caFile } = internalRpc
    return authorityKeyFile !== '' && caFile !== '' && certFile !== '' && certFile === keyFile
  }

  /** A certificate that is nearly over, or over, is replaced before anybody is asked to believe it. */
  async start(): Promise<void> {
    this.#looking = this.#look()
    await this.#looking
  }

  async drain(): Promise<void> {}

  async stop(): Promise<void> {
    this.#isStopped = true
    this.#timer?.cancel()
    await this.#looking
  }

  async #look(): Promise<void> {
    const { clock, log } = this.#deps
    try {
      await this.#renewIfDue()
    } catch (err) {
      log.error('the certificate of this server was not renewed; tried again in a day', { err })
    }
    if (this.#isStopped) return
    this.#timer = clock.timer(instant(clock.now() + DAY_MS), () => {
      this.#looking = this.#look()
    })
  }

  async #renewIfDue(): Promise<void> {
    const { clock, log, onRenewed } = this.#deps
    const { certFile, caFile } = this.#config.internalRpc
    const certPem = await readFile(certFile, 'utf8')
    const { validFromDate, validToDate } = parseCertificate(certPem)
    const lifeMs = validToDate.getTime() - validFromDate.getTime()
    if (validToDate.getTime() - clock.wall() > lifeMs * LEFT_PART) return
    const keyPem = await readFile(this.#config.authorityKeyFile, 'utf8')
    const authority = authorityOf(await readFile(caFile, 'utf8'), keyPem)
    const made = await renewAgentCertificate(certPem, { certPem: authority, keyPem }, clock.wall())
    await writeFileAtomic(certFile, made.certPem + made.keyPem, { durable: true })
    await onRenewed()
    log.info('renewed the certificate of this server', {
      ends: parseCertificate(made.certPem).validToDate.toISOString(),
    })
  }
}

/** That one of several to which the key belongs. */
function authorityOf(pem: string, keyPem: string): string {
  const { key } = readPrivateKey(keyPem)
  const found = pemBlocks(pem).find(
    ({ label, text }) => label === 'CERTIFICATE' && new X509Certificate(text).checkPrivateKey(key),
  )
  return found?.text ?? pem
}
