/**
 * Reads the files that a TLS stanza of the configuration names.
 *
 * Guarantees: what comes back makes a TLS context: the key belongs to the certificate, everything can be read by
 * OpenSSL. Every failure names the key of the configuration, the file, and what is wrong. Bound: PEM_BYTES_MAX a file.
 */

import { createPrivateKey, X509Certificate } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createSecureContext } from 'node:tls'
import type { TlsStanza } from '../../core/config/tls.ts'
import { FairleadError } from '../../core/errors.ts'
import { pemBlocks } from '../pki/pem.ts'

export interface CertificateAndKey {
  /** PEM: the certificate, then what is between it and its authority. */
  readonly certPem: string
  readonly keyPem: string
}

export interface TlsFiles {
  /** One PEM certificate each. */
  readonly authorities: readonly string[]
  readonly own: CertificateAndKey | undefined
}

/** @param stanza's name in the configuration, for messages. @throws FairleadError INVALID_CONFIG */
export async function readTlsFiles(name: string, stanza: TlsStanza): Promise<TlsFiles> {
  const { caFile, caPath, certFile, keyFile } = stanza
  const authorities: string[] = []
  if (caFile !== '') authorities.push(...(await readAuthorities(`${name}.ca_file`, caFile)))
  if (caPath !== '') authorities.push(...(await readFolder(`${name}.ca_path`, caPath)))
  const own = certFile === '' ? undefined : await readOwn(name, certFile, keyFile)
  try {
    createSecureContext({
      ca: authorities,
      ...(own === undefined ? {} : { cert: own.certPem, key: own.keyPem }),
    })
  } catch (cause) {
    const message = `${name}: the certificates cannot be used: ${(cause as Error).message}`
    throw new FairleadError('INVALID_CONFIG', message, { cause })
  }
  return { authorities, own }
}

async function readOwn(
  name: string,
  certFile: string,
  keyFile: string,
): Promise<CertificateAndKey> {
  const certPem = await readText(`${name}.cert_file`, certFile)
  const keyPem = await readText(`${name}.key_file`, keyFile)
  const [leaf] = certificates(`${name}.cert_file`, certFile, certPem)
  let matches: boolean
  try {
    matches = leaf?.checkPrivateKey(createPrivateKey(keyPem)) === true
  } catch (cause) {
    const fix = 'write an unencrypted PEM key'
    throw wrong(`${name}.key_file`, keyFile, 'it holds no private key that can be read', fix, cause)
  }
  if (!matches) {
    const why = `it is not the key of the certificate in "${certFile}"`
    throw wrong(`${name}.key_file`, keyFile, why, 'name the key that was made with it')
  }
  return { certPem, keyPem }
}

async function readAuthorities(key: string, path: string): Promise<readonly string[]> {
  const found = certificates(key, path, await readText(key, path))
  return found.map((certificate) => certificate.toString())
}

async function readFolder(key: string, path: string): Promise<readonly string[]> {
  let names: string[]
  try {
    names = await readdir(path)
  } catch (cause) {
    throw wrong(key, path, (cause as Error).message, 'name a folder', cause)
  }
  const files = names.filter((file) => /\.(?:pem|crt|cer)$/.test(file)).sort()
  const read = files.map((file) => readAuthorities(key, join(path, file)))
  const found = (await Promise.all(read)).flat()
  if (found.length > 0) return found
  throw wrong(key, path, 'no .pem, .crt or .cer file is in it', 'put the authorities there')
}

function certificates(key: string, path: string, pem: string): readonly X509Certificate[] {
  const found = pemBlocks(pem).filter(({ label }) => label === 'CERTIFICATE')
  if (found.length === 0) throw wrong(key, path, 'it holds no PEM certificate', 'name another file')
  try {
    return found.map(({ text }) => new X509Certificate(text))
  } catch (cause) {
    throw wrong(key, path, 'it holds a certificate that cannot be read', 'name another file', cause)
  }
}

async function readText(key: string, path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (cause) {
    throw wrong(key, path, (cause as Error).message, 'may this user read it?', cause)
  }
}

function wrong(
  key: string,
  path: string,
  why: string,
  hint: string,
  cause?: unknown,
): FairleadError {
  const message = `${key}: "${path}" cannot be used: ${why}`
  return new FairleadError('INVALID_CONFIG', message, { cause, facts: { hint } })
}
