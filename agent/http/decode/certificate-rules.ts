/**
 * Rules of inline-certificate, which need OpenSSL, and of file-system-certificate (mesh.md 7.12).
 */

import { createPrivateKey, X509Certificate } from 'node:crypto'
import { textAt } from '../../../core/config-entries/read-field.ts'
import type { ConfigEntryDraft } from '../../../core/config-entries/rules.ts'

const RSA_BITS_MIN = 2048

export function certificateProblem({ entryKind, body }: ConfigEntryDraft): string | undefined {
  if (entryKind === 'file-system-certificate') {
    if (textAt(body, 'Certificate') === '') return 'certificate path is required'
    if (textAt(body, 'PrivateKey') === '') return 'private key path is required'
    return undefined
  }
  if (entryKind !== 'inline-certificate') return undefined
  try {
    const key = createPrivateKey(textAt(body, 'PrivateKey'))
    const bits = key.asymmetricKeyDetails?.modulusLength
    if (bits !== undefined && bits < RSA_BITS_MIN) {
      return `key length must be at least ${RSA_BITS_MIN} bits`
    }
    const certificate = new X509Certificate(textAt(body, 'Certificate'))
    return certificate.checkPrivateKey(key)
      ? undefined
      : 'Certificate and PrivateKey are not a pair: the key is not the one the certificate was made for'
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    return `Certificate and PrivateKey must be PEM: ${reason}`
  }
}
