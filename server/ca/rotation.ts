/**
 * From one configuration of the authority to the next, and with it from root to root (mesh.md 4.6).
 *
 * Guarantees: the old root stays trusted beside the new one until no leaf of it can be valid; unless an
 * operator forces it, the new root is also signed by the old one, so that a host that has not heard yet
 * accepts its leaves. Roots and configuration change in one entry of the log, or not at all.
 */

import type { Command } from '../../core/catalog/commands.ts'
import type { JsonObject } from '../../core/catalog/types.ts'
import { FairleadError } from '../../core/errors.ts'
import type { Logger } from '../../core/log.ts'
import type { Clock } from '../../core/time.ts'
import { readCertificate } from '../../runtime/pki/certificate.ts'
import { asksForAnotherRoot } from './built-in-provider.ts'
import { readCaConfig } from './ca-config.ts'
import { type CaRecords, rootContent, withoutKeys } from './ca-records.ts'
import type { CaProvider, OpenedProvider, ProviderContext } from './provider.ts'
import { BUILT_IN_PROVIDER, providerKind } from './provider-kinds.ts'
import { activeRootRecord, checkChain, fingerprintOf } from './signed-chain.ts'

export interface RotationDeps {
  readonly records: CaRecords
  readonly clock: Clock
  readonly log: Logger
  /** What signs at present. */
  readonly current: () => Promise<CaProvider>
  readonly context: (clusterId: string) => ProviderContext
}

type SetConfig = Command & { readonly kind: 'ca.config.set' }

/**
 * Carries out what an operator asks for.
 *
 * @throws FairleadError BAD_REQUEST naming what is wrong, REJECTED when the old root cannot sign the new one
 *   and it is not forced, or somebody else changed roots or configuration meanwhile
 */
export async function changeConfig(command: SetConfig, deps: RotationDeps): Promise<void> {
  const { records } = deps
  const present = records.config()
  const active = records.active()
  if (present === null || active === undefined) {
    throw new FairleadError(
      'BUSY',
      'CA is uninitialized and its configuration cannot be changed yet',
    )
  }
  const { provider, config } = command.config
  const kind = providerKind(provider)
  readCaConfig(config)
  const rootsAt = records.rootsIndex()
  const isSameProvider = provider === present.provider
  const secret = isSameProvider ? presentSecret(active.id, command, records) : ''
  const record = {
    clusterId: present.clusterId,
    provider,
    config: withoutKeys(config, kind.secretKeys),
  }
  const cas = command.cas ?? present.modifyIndex
  const staysAsIs =
    isSameProvider &&
    provider === BUILT_IN_PROVIDER &&
    secret !== undefined &&
    !asksForAnotherRoot(config, active, secret)
  if (staysAsIs) {
    if (!(await records.setConfig(record, cas))) throw conflict()
    return
  }
  const opened = await kind.create(config, secret ?? '', deps.context(present.clusterId))
  checkChain(opened.provider.chain, deps.clock.wall())
  const { roots, intermediates } = await nextRoots(opened, active.id, command, deps)
  const next = activeRootRecord(opened.provider.chain, kind.label, present.clusterId)
  const written = await records.setRoots({
    roots: [{ ...next, intermediateCertsPem: intermediates }, ...roots],
    secret: opened.secret,
    cas: rootsAt,
    config: { record, cas },
  })
  if (!written) throw conflict()
  if (next.id === active.id) return
  deps.log.info('the mesh has a new root certificate', {
    root: next.id,
    provider,
    before: active.id,
    isCrossSigned: intermediates.length > opened.provider.chain.intermediatesPem.length,
  })
}

async function nextRoots(
  { provider }: OpenedProvider,
  activeId: string,
  command: SetConfig,
  { records, clock, current }: RotationDeps,
) {
  const { chain } = provider
  const id = fingerprintOf(chain.rootPem)
  const others = records.roots().filter((root) => root.id !== id)
  if (id === activeId) {
    return { roots: others.map(rootContent), intermediates: chain.intermediatesPem }
  }
  const crossSigned = await bridgeFrom(current, chain.rootPem, command)
  if (crossSigned === undefined && command.forceWithoutCrossSigning !== true) {
    throw new FairleadError(
      'REJECTED',
      'The current CA Provider does not support cross-signing. You can try again with ForceWithoutCrossSigningSet but this may cause disruption - see documentation for more.',
    )
  }
  return {
    roots: others.map((root) => ({
      ...rootContent(root),
      active: false,
      ...(root.active ? { rotatedOutAt: clock.wall() } : {}),
    })),
    // In this order leaves carry them (mesh.md 4.6); verifiers do not mind which comes first.
    intermediates: [...(crossSigned === undefined ? [] : [crossSigned]), ...chain.intermediatesPem],
  }
}

/** Who insists goes on also when what signed so far is lost. */
async function bridgeFrom(
  current: RotationDeps['current'],
  rootPem: string,
  { forceWithoutCrossSigning }: SetConfig,
): Promise<string | undefined> {
  try {
    return await (await current()).crossSign?.(rootPem)
  } catch (err) {
    if (forceWithoutCrossSigning === true) return undefined
    throw err
  }
}

function presentSecret(
  rootId: string,
  { forceWithoutCrossSigning }: SetConfig,
  records: CaRecords,
): string | undefined {
  try {
    return records.secret(rootId)
  } catch (err) {
    if (forceWithoutCrossSigning === true) return undefined
    throw err
  }
}

/**
 * Forgets roots whose last leaf has ended, and bridges that have.
 *
 * @returns how many roots were forgotten
 */
export async function pruneRoots(
  records: CaRecords,
  clock: Clock,
  config: JsonObject,
): Promise<number> {
  const now = clock.wall()
  const keptMs = 2 * readCaConfig(config).leafTtlMs
  const active = records.active()
  if (active === undefined) return 0
  const cas = records.rootsIndex()
  const before = records.roots()
  const kept = before.filter((root) => root.active || (root.rotatedOutAt ?? now) + keptMs > now)
  const roots = kept.map((root) => ({
    ...rootContent(root),
    intermediateCertsPem: root.intermediateCertsPem.filter(
      (pem) => readCertificate(pem).notAfter > now,
    ),
  }))
  const isSame = roots.every(
    (root, i) => root.intermediateCertsPem.length === kept[i]?.intermediateCertsPem.length,
  )
  if (kept.length === before.length && isSame) return 0
  const isWritten = await records.setRoots({ roots, secret: records.secret(active.id), cas })
  return isWritten ? before.length - kept.length : 0
}

function conflict(): FairleadError {
  return new FairleadError('REJECTED', 'could not atomically update roots and config')
}
