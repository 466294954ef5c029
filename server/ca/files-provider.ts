/**
 * An authority that operators bring in files: its key is on the servers' disks and never in the log.
 *
 * Configuration: SigningCertFile (PEM, PKCS#7 or PKCS#12; the issuers up to the root may be in it), SigningKeyFile
 * where the key is not in it, PassphraseFile where it is encrypted, RootFile for issuers that are missing. The
 * files must be the same on every server; they are read again when a server begins to lead, and once half of the
 * life of an intermediate is over.
 */

import { readFile, stat } from 'node:fs/promises'
import { isAbsolute } from 'node:path'
import type { JsonObject } from '../../core/catalog/types.ts'
import { FairleadError } from '../../core/errors.ts'
import { crossSign, maySignAuthorities } from '../../runtime/pki/cross-signing.ts'
import { type PrivateKey, readPrivateKey } from '../../runtime/pki/keys.ts'
import { LeafSigner } from '../../runtime/pki/leaf-signer.ts'
import {
  OPERATOR_FILE_BYTES_MAX,
  readOperatorKeyMaterial,
} from '../../runtime/pki/operator-files.ts'
import { textSetting } from './ca-config.ts'
import { assertSameRoot, certificatesOf, chainFrom } from './external-chain.ts'
import type {
  CaProvider,
  LeafOrder,
  ProviderContext,
  ProviderKind,
  SigningChain,
} from './provider.ts'

export const FILES: ProviderKind = {
  label: 'Files',
  secretKeys: [],
  create: async (config, _present, context) => ({
    provider: await FilesProvider.open(config, context),
    secret: '',
  }),
  open: async (config, _secret, rootPem, context) => {
    const provider = await FilesProvider.open(config, context)
    assertSameRoot(provider.chain, rootPem)
    return provider
  },
}

interface Material {
  readonly chain: SigningChain
  readonly signingPem: string
  readonly key: PrivateKey
}

class FilesProvider implements CaProvider {
  readonly chain: SigningChain
  readonly #config: JsonObject
  readonly #context: ProviderContext
  readonly #key: PrivateKey
  readonly #signer: LeafSigner

  private constructor(
    config: JsonObject,
    { chain, key }: Material,
    signer: LeafSigner,
    context: ProviderContext,
  ) {
    this.#config = config
    this.#context = context
    this.#key = key
    this.#signer = signer
    this.chain = chain
  }

  static async open(config: JsonObject, context: ProviderContext): Promise<FilesProvider> {
    const material = await readMaterial(config)
    const signer = await LeafSigner.open(material.signingPem, material.key)
    return new FilesProvider(config, material, signer, context)
  }

  async signLeaf({ csr, uri, ttlMs, serialNumber }: LeafOrder): Promise<string> {
    const now = this.#context.clock.wall()
    return (await this.#signer.sign({ ...csr, uri, serialNumber, now, ttlMs })).certPem
  }

  /** The key of an intermediate cannot speak for the root. */
  async crossSign(rootPem: string): Promise<string | undefined> {
    const { rootPem: issuerPem, intermediatesPem } = this.chain
    if (intermediatesPem.length > 0 || !(await maySignAuthorities(issuerPem))) return undefined
    return crossSign({
      rootPem,
      issuerPem,
      issuerKey: this.#key,
      serialNumber: await this.#context.takeSerial(),
      now: this.#context.clock.wall(),
    })
  }

  /** Operators replace the files; what they hold now. */
  async renew(): Promise<SigningChain> {
    const { chain } = await readMaterial(this.#config)
    assertSameRoot(chain, this.chain.rootPem)
    return chain
  }
}

async function readMaterial(config: JsonObject): Promise<Material> {
  const certificate = await readSetting(config, 'SigningCertFile')
  if (certificate === undefined) {
    throw bad('SigningCertFile is required: the path of the certificate that signs')
  }
  const key = await readSetting(config, 'SigningKeyFile')
  const passphrase = (await readSetting(config, 'PassphraseFile'))?.toString().trimEnd()
  const roots = await readSetting(config, 'RootFile')
  const bytes =
    key === undefined ? certificate : Buffer.concat([certificate, Buffer.from('\n'), key])
  const { certPems, keyPem } = await readOperatorKeyMaterial(bytes, passphrase)
  const [signingPem = '', ...others] = certPems
  const more = roots === undefined ? [] : certificatesOf(roots.toString('latin1'))
  return {
    chain: chainFrom(signingPem, [...others, ...more]),
    signingPem,
    key: readPrivateKey(keyPem),
  }
}

async function readSetting(config: JsonObject, name: string): Promise<Buffer | undefined> {
  const path = textSetting(config, name, '')
  if (path === '') return undefined
  if (!isAbsolute(path)) throw bad(`${name} "${path}" is not an absolute path`)
  try {
    const { size } = await stat(path)
    if (size > OPERATOR_FILE_BYTES_MAX) {
      throw bad(`${name} "${path}" is over ${OPERATOR_FILE_BYTES_MAX} bytes`)
    }
    return await readFile(path)
  } catch (cause) {
    if (cause instanceof FairleadError) throw cause
    const why = (cause as NodeJS.ErrnoException).code ?? String(cause)
    throw new FairleadError('BAD_REQUEST', `${name} "${path}" cannot be read: ${why}`, { cause })
  }
}

function bad(message: string): FairleadError {
  return new FairleadError('BAD_REQUEST', message)
}
