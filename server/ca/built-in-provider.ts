/**
 * The built-in authority: one root key, kept in the replicated state, that signs leaves itself.
 *
 * Guarantees: key and root belong together (checked when opened); changing lifetimes or limits never makes
 * another root, only another key, root, key type or key length does (mesh.md 4.5).
 */

import type { CaRoot, JsonObject } from '../../core/catalog/types.ts'
import { crossSign, maySignAuthorities } from '../../runtime/pki/cross-signing.ts'
import { type PrivateKey, readPrivateKey } from '../../runtime/pki/keys.ts'
import { LeafSigner } from '../../runtime/pki/leaf-signer.ts'
import { readCaConfig } from './ca-config.ts'
import type {
  CaProvider,
  LeafOrder,
  ProviderContext,
  ProviderKind,
  SigningChain,
} from './provider.ts'
import { makeRoot } from './root-material.ts'
import { fingerprintOf } from './signed-chain.ts'

export const BUILT_IN: ProviderKind = {
  label: 'Consul',
  secretKeys: ['PrivateKey', 'RootCert'],
  create: async (config, _present, context) => {
    const { rootPem, privateKeyPem } = await makeRoot(readCaConfig(config), context)
    const key = readPrivateKey(privateKeyPem)
    return { provider: await BuiltInProvider.open(rootPem, key, context), secret: privateKeyPem }
  },
  open: (_config, secret, rootPem, context) =>
    BuiltInProvider.open(rootPem, readPrivateKey(secret), context),
}

/** Whether the configuration asks for another root than the one in use. */
export function asksForAnotherRoot(
  config: JsonObject,
  active: Pick<CaRoot, 'id' | 'privateKeyType' | 'privateKeyBits'>,
  secret: string,
): boolean {
  const wanted = readCaConfig(config)
  if (wanted.rootCertPem !== '' && fingerprintOf(wanted.rootCertPem) !== active.id) return true
  if (wanted.privateKeyPem !== '') {
    return readPrivateKey(wanted.privateKeyPem).pem !== readPrivateKey(secret).pem
  }
  const asksForType = config['PrivateKeyType'] !== undefined
  const asksForBits = config['PrivateKeyBits'] !== undefined
  if (asksForType && wanted.privateKeyType !== active.privateKeyType) return true
  return asksForBits && wanted.privateKeyBits !== active.privateKeyBits
}

class BuiltInProvider implements CaProvider {
  readonly chain: SigningChain
  readonly #signer: LeafSigner
  readonly #key: PrivateKey
  readonly #context: ProviderContext

  private constructor(
    rootPem: string,
    key: PrivateKey,
    signer: LeafSigner,
    context: ProviderContext,
  ) {
    this.chain = { rootPem, intermediatesPem: [] }
    this.#signer = signer
    this.#key = key
    this.#context = context
  }

  /** @throws FairleadError BAD_REQUEST when key and root do not belong together */
  static async open(
    rootPem: string,
    key: PrivateKey,
    context: ProviderContext,
  ): Promise<BuiltInProvider> {
    return new BuiltInProvider(rootPem, key, await LeafSigner.open(rootPem, key), context)
  }

  async signLeaf({ csr, uri, ttlMs, serialNumber }: LeafOrder): Promise<string> {
    const now = this.#context.clock.wall()
    return (await this.#signer.sign({ ...csr, uri, serialNumber, now, ttlMs })).certPem
  }

  async crossSign(rootPem: string): Promise<string | undefined> {
    if (!(await maySignAuthorities(this.chain.rootPem))) return undefined
    return crossSign({
      rootPem,
      issuerPem: this.chain.rootPem,
      issuerKey: this.#key,
      serialNumber: await this.#context.takeSerial(),
      now: this.#context.clock.wall(),
    })
  }
}
