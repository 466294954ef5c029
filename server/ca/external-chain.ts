/**
 * Certificates in the order of a chain, as external authorities give them: the signing one first, the root last.
 */

import { FairleadError } from '../../core/errors.ts'
import { isSignedBy } from '../../runtime/pki/certificate.ts'
import { pemBlocks } from '../../runtime/pki/pem.ts'
import type { SigningChain } from './provider.ts'
import { fingerprintOf } from './signed-chain.ts'

/** Longer than any that makes sense; a longer one is taken for a mistake. */
const CHAIN_LENGTH_MAX = 8

/**
 * From the certificate that signs leaves up to a root, whatever the order of the others.
 *
 * @throws FairleadError BAD_REQUEST when there is no way up
 */
export function chainFrom(signingPem: string, others: readonly string[]): SigningChain {
  const chain = [signingPem]
  for (let at = signingPem; !isSignedBy(at, at); ) {
    const issuer = others.find((pem) => !chain.includes(pem) && isSignedBy(at, pem))
    if (issuer === undefined || chain.length === CHAIN_LENGTH_MAX) {
      throw new FairleadError(
        'BAD_REQUEST',
        'The certificates lead to no root: the issuer of one of them is missing',
      )
    }
    chain.push(issuer)
    at = issuer
  }
  return { rootPem: chain.at(-1) ?? '', intermediatesPem: chain.slice(0, -1) }
}

export function certificatesOf(text: string): string[] {
  return pemBlocks(text)
    .filter(({ label }) => label === 'CERTIFICATE')
    .map((block) => block.text)
}

/** What was opened again must end in the root that the mesh trusts. @throws FairleadError REJECTED */
export function assertSameRoot(chain: SigningChain, rootPem: string): void {
  if (fingerprintOf(chain.rootPem) === fingerprintOf(rootPem)) return
  throw new FairleadError(
    'REJECTED',
    'The CA provider has another root than the mesh trusts; write its configuration again to rotate',
  )
}
