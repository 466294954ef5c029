/**
 * An authority behind a program of the operator, which keeps the key wherever it likes: a smart card, another host.
 *
 * `<command> chain` prints the certificates from the one that signs up to the root. `<command> sign` gets a request
 * (PEM) on standard input and prints the leaf; FAIRLEAD_URI is the one URI it must have, FAIRLEAD_DNS_NAMES and
 * FAIRLEAD_IP_ADDRESSES its other names, FAIRLEAD_TTL_SECONDS its life, FAIRLEAD_SERIAL a number that no other leaf
 * has. The command stands in the servers' configuration alone: who may write the CA's configuration through the API
 * must not run programs.
 */

import { FairleadError } from '../../core/errors.ts'
import { runSigner } from '../../runtime/pki/run-signer.ts'
import { assertSameRoot, certificatesOf, chainFrom } from './external-chain.ts'
import type {
  CaProvider,
  LeafOrder,
  ProviderContext,
  ProviderKind,
  SigningChain,
} from './provider.ts'

export const COMMAND: ProviderKind = {
  label: 'Command',
  secretKeys: [],
  create: async (config, _present, context) => {
    if (config['Command'] !== undefined) {
      throw new FairleadError(
        'BAD_REQUEST',
        'Command cannot be set here; set connect.ca_config.command in the configuration of the servers',
      )
    }
    return { provider: await CommandProvider.open(context), secret: '' }
  },
  open: async (_config, _secret, rootPem, context) => {
    const provider = await CommandProvider.open(context)
    assertSameRoot(provider.chain, rootPem)
    return provider
  },
}

class CommandProvider implements CaProvider {
  readonly chain: SigningChain
  readonly #command: readonly string[]

  private constructor(command: readonly string[], chain: SigningChain) {
    this.#command = command
    this.chain = chain
  }

  static async open({ signerCommand }: ProviderContext): Promise<CommandProvider> {
    if (signerCommand.length === 0) {
      throw new FairleadError(
        'BAD_REQUEST',
        'The servers have no connect.ca_config.command, which the CA provider "command" runs',
      )
    }
    return new CommandProvider(signerCommand, await readChain(signerCommand))
  }

  async signLeaf({ csrPem, csr, uri, ttlMs, serialNumber }: LeafOrder): Promise<string> {
    const output = await runSigner({
      command: this.#command,
      verb: 'sign',
      input: csrPem,
      env: {
        FAIRLEAD_URI: uri,
        FAIRLEAD_DNS_NAMES: csr.dnsNames.join(','),
        FAIRLEAD_IP_ADDRESSES: csr.ipAddresses.join(','),
        FAIRLEAD_TTL_SECONDS: String(Math.floor(ttlMs / 1000)),
        FAIRLEAD_SERIAL: String(serialNumber),
      },
    })
    const [leaf] = certificatesOf(output)
    if (leaf !== undefined) return leaf
    throw new FairleadError('REJECTED', 'The signing program printed no certificate')
  }

  async renew(): Promise<SigningChain> {
    const chain = await readChain(this.#command)
    assertSameRoot(chain, this.chain.rootPem)
    return chain
  }
}

async function readChain(command: readonly string[]): Promise<SigningChain> {
  const output = await runSigner({ command, verb: 'chain', input: '', env: {} })
  const [signing, ...others] = certificatesOf(output)
  if (signing !== undefined) return chainFrom(signing, others)
  throw new FairleadError('BAD_REQUEST', 'The signing program printed no certificates for "chain"')
}
