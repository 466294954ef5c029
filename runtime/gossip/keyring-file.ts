/**
 * The keys of a pool in a file: a JSON list of base64 texts, the first is the primary (agent-config.md 7, 16).
 *
 * Guarantees: a reader sees the old list or the new one, never a part; mode 0600. A file that cannot be understood is
 * an error, never an empty keyring: without keys an agent would speak in clear. Bounds: FILE_SIZE_MAX, KEYS_MAX.
 */

import { readFile, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { FairleadError } from '../../core/errors.ts'
import { GossipKey } from '../../core/swim/gossip-key.ts'
import { KEYS_MAX } from '../../core/swim/keyring.ts'
import { ensurePrivateDirectory, writeFileAtomic } from '../host/atomic-file.ts'

const FILE_SIZE_MAX = 64 * 1024

/** @returns undefined when there is no file. @throws FairleadError INVALID_CONFIG | STORAGE_FAILED */
export async function readKeyringFile(path: string): Promise<readonly GossipKey[] | undefined> {
  try {
    const { size } = await stat(path)
    if (size > FILE_SIZE_MAX) throw unusable(path, `it is larger than ${FILE_SIZE_MAX} bytes`)
    return parseKeyring(await readFile(path, 'utf8'), path)
  } catch (thrown) {
    if (thrown instanceof FairleadError) throw thrown
    if (thrown instanceof Error && 'code' in thrown && thrown.code === 'ENOENT') return undefined
    const reason = thrown instanceof Error ? thrown.message : String(thrown)
    throw new FairleadError('STORAGE_FAILED', `Cannot read "${path}": ${reason}`, {
      facts: { path },
      cause: thrown,
    })
  }
}

/** @throws FairleadError INVALID_CONFIG, without a word of what the file holds */
export function parseKeyring(text: string, path: string): readonly GossipKey[] {
  const list = parseJson(text)
  if (!Array.isArray(list) || list.length === 0) throw unusable(path, 'it is not a list of keys')
  if (list.length > KEYS_MAX) throw unusable(path, `it has more than ${KEYS_MAX} keys`)
  const keys: GossipKey[] = []
  for (const [i, each] of list.entries()) {
    const key = typeof each === 'string' ? GossipKey.fromText(each) : undefined
    if (!(key instanceof GossipKey)) {
      throw unusable(path, `entry ${i + 1}: ${key?.reason ?? 'it is not a text'}`)
    }
    if (!keys.some((known) => known.equals(key))) keys.push(key)
  }
  return keys
}

/** Survives power loss once it resolves. @throws FairleadError STORAGE_FAILED */
export async function writeKeyringFile(path: string, keys: readonly GossipKey[]): Promise<void> {
  await ensurePrivateDirectory(dirname(path))
  const text = JSON.stringify(
    keys.map((key) => key.text),
    undefined,
    '  ',
  )
  await writeFileAtomic(path, `${text}\n`, { durable: true })
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined // the parser's message would quote the secret
  }
}

function unusable(path: string, reason: string): FairleadError {
  return new FairleadError('INVALID_CONFIG', `Keyring file "${path}" cannot be used: ${reason}`, {
    facts: { path, hint: 'restore the file from another member, or remove it and set encrypt' },
  })
}
