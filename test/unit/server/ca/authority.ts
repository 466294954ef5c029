/**
 * A certificate authority on a real replicated state, for the tests of this folder.
 */

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { CaRoot, JsonObject } from '../../../../core/catalog/types.ts'
import { silentLogger } from '../../../../core/log.ts'
import { createKeyAndCsr } from '../../../../runtime/pki/csr.ts'
import {
  CertificateAuthority,
  type CertificateAuthorityOptions,
} from '../../../../server/ca/certificate-authority.ts'
import { SecretSealer } from '../../../../server/ca/sealed-secret.ts'
import { pass, RaftAndStore } from '../raft-and-store.ts'

export const CLUSTER = '11111111-2222-3333-4444-555555555555'
export const WEB = `spiffe://${CLUSTER}.consul/ns/default/dc/dc1/svc/web`
export const HOUR = 3_600_000

export interface AuthorityChange extends Partial<CertificateAuthorityOptions> {
  readonly sealingKeys?: readonly Uint8Array[]
}

export function authority(
  base: RaftAndStore,
  change: AuthorityChange = {},
  writer: Pick<RaftAndStore['writer'], 'write'> = base.writer,
): CertificateAuthority {
  return new CertificateAuthority(
    {
      isEnabled: true,
      datacenter: 'dc1',
      clusterId: CLUSTER,
      provider: 'consul',
      signerCommand: [],
      leafTtlMs: 72 * HOUR,
      rootTtlMs: 87_600 * HOUR,
      config: {},
      ...change,
    },
    {
      store: base.store,
      writer,
      sealer: new SecretSealer(change.sealingKeys ?? []),
      clock: base.clock,
      rng: base.rng,
      log: silentLogger,
      newId: () => 'ABCDEF00-0000-4000-8000-000000000000',
    },
  )
}

export async function csr(uri = WEB): Promise<string> {
  return (await createKeyAndCsr({ uri })).csrPem
}

export function rootsOf(base: RaftAndStore): readonly CaRoot[] {
  return base.store.read('ca.roots', {}).value.roots
}

export function activeRoot(base: RaftAndStore): CaRoot {
  const root = rootsOf(base).find(({ active }) => active)
  if (root === undefined) throw new Error('there is no active root')
  return root
}

/** The command of an operator who changes some values of the present configuration. */
export function change(base: RaftAndStore, config: JsonObject, provider = 'consul') {
  const present = base.store.read('ca.config', {}).value
  return {
    kind: 'ca.config.set' as const,
    config: { clusterId: '', provider, config: { ...present?.config, ...config } },
  }
}

/**
 * What `openssl verify` says of a leaf that comes with its intermediates.
 *
 * @returns undefined when it accepts the chain, else its words
 */
export function opensslRefusal(
  certPem: string,
  trustedPems: readonly string[],
  now: number,
): string | undefined {
  const folder = mkdtempSync(join(tmpdir(), 'fairlead-openssl-'))
  try {
    const [roots, chain] = [join(folder, 'roots.pem'), join(folder, 'chain.pem')]
    writeFileSync(roots, trustedPems.join(''))
    writeFileSync(chain, certPem)
    const at = String(Math.floor(now / 1000))
    const args = ['verify', '-x509_strict', '-purpose', 'sslserver', '-attime', at]
    execFileSync(
      'openssl',
      [...args, '-no-CApath', '-no-CAstore', '-CAfile', roots, '-untrusted', chain, chain],
      { stdio: 'pipe' },
    )
    return undefined
  } catch (err) {
    return String((err as { stderr?: unknown }).stderr ?? err)
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/** What the system's own programs sign meanwhile, on a busy machine too, must not be of the future here. */
const AHEAD_MS = 60_000

/** A state whose clock is that of this machine, as OpenSSL's certificates are. */
export async function realTime(): Promise<RaftAndStore> {
  const base = await new RaftAndStore().start()
  base.clock.jumpWall(Date.now() - base.clock.wall() + AHEAD_MS)
  return base
}

/** Lets time pass, then what needs the system, as files and sockets do, until the claim holds. */
export async function until(base: RaftAndStore, ms: number, holds: () => boolean): Promise<void> {
  await pass(base.clock, ms)
  for (let turns = 0; turns < 100_000 && !holds(); turns++) {
    await new Promise((resolve) => setImmediate(resolve))
  }
  assert.ok(holds())
}
