/**
 * The one door to @peculiar/x509, loaded on first use so that it costs nothing at start (about 100 ms).
 *
 * Guarantees that `reflect-metadata` is there before the library (its container needs it) and that the
 * platform's WebCrypto signs. The module cache makes every later call cheap. Used by this folder only.
 */

import { webcrypto } from 'node:crypto'

export type X509Library = typeof import('@peculiar/x509')

export async function loadX509(): Promise<X509Library> {
  await import('reflect-metadata')
  const library = await import('@peculiar/x509')
  library.cryptoProvider.set(webcrypto)
  return library
}
