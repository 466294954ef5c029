/**
 * `peers.json`, the list of the servers that survive a lost quorum, in Consul's format (Raft specification 13.2).
 *
 *   [{ "id": "<node id>", "address": "10.1.0.1:8300", "non_voter": false }, ...]
 *
 * Guarantees that a list is taken whole or refused with every problem at once. Pure.
 * Bounds: `FILE_BYTES_MAX`, and as many servers as a configuration has members.
 */

import { FairleadError } from '../../core/errors.ts'
import { MEMBERS_MAX, type MemberAddress } from '../../core/raft/configuration.ts'
import { serverId } from '../../core/raft/types.ts'

export const FILE_BYTES_MAX = 1_048_576

export interface Survivor extends MemberAddress {
  readonly isVoter: boolean
}

const FIELDS = ['id', 'address', 'non_voter']
const ADDRESS = /^(\[[0-9A-Fa-f:.]+\]|[^\s:[\]]+):(\d{1,5})$/

/** @throws FairleadError INVALID_CONFIG that names all that is wrong, and the file */
export function parsePeersFile(
  text: string,
  options: { readonly path: string; readonly selfId: string },
): readonly Survivor[] {
  const problems: string[] = []
  const survivors = readList(text, problems)
  if (problems.length === 0) judgeList(survivors, options.selfId, problems)
  if (problems.length > 0) {
    throw new FairleadError(
      'INVALID_CONFIG',
      `Failed to recover from "${options.path}": ${problems.join('; ')}. Correct the file, or delete it to start without recovery`,
      { facts: { problems } },
    )
  }
  return survivors
}

function readList(text: string, problems: string[]): readonly Survivor[] {
  if (text.length > FILE_BYTES_MAX) {
    problems.push(`it is larger than ${FILE_BYTES_MAX} bytes`)
    return []
  }
  let document: unknown
  try {
    document = JSON.parse(text)
  } catch (cause) {
    problems.push(`it is not JSON: ${cause instanceof Error ? cause.message : String(cause)}`)
    return []
  }
  if (!Array.isArray(document)) {
    problems.push('it is not a list of servers, [{"id": ..., "address": ...}, ...]')
    return []
  }
  if (document.length > MEMBERS_MAX) {
    problems.push(`it lists ${document.length} servers, at most ${MEMBERS_MAX} are possible`)
    return []
  }
  return document.flatMap((row: unknown, i) => readRow(row, `server ${i + 1}`, problems))
}

function readRow(row: unknown, where: string, problems: string[]): Survivor[] {
  if (typeof row !== 'object' || row === null || Array.isArray(row)) {
    problems.push(`${where} is not an object with "id" and "address"`)
    return []
  }
  const fields = new Map<string, unknown>(Object.entries(row))
  const before = problems.length
  for (const name of fields.keys()) {
    if (!FIELDS.includes(name)) {
      problems.push(`${where} has an unknown field "${name}"; known are ${FIELDS.join(', ')}`)
    }
  }
  const id = fields.get('id')
  const address = fields.get('address')
  const nonVoter = fields.get('non_voter') ?? false
  if (typeof id !== 'string' || id === '' || id.length > 255) {
    problems.push(`${where} needs an "id", the node id of the server`)
  }
  if (typeof address !== 'string' || !isAddress(address)) {
    problems.push(`${where} needs an "address" of the form "host:port"`)
  }
  if (typeof nonVoter !== 'boolean') problems.push(`${where}: "non_voter" must be true or false`)
  if (problems.length > before) return []
  return [{ id: serverId(String(id)), address: String(address), isVoter: nonVoter === false }]
}

function judgeList(survivors: readonly Survivor[], selfId: string, problems: string[]): void {
  const ids = survivors.map(({ id }) => id)
  const addresses = survivors.map(({ address }) => address)
  for (const id of repeated(ids)) problems.push(`id "${id}" is listed twice`)
  for (const address of repeated(addresses)) problems.push(`address "${address}" is listed twice`)
  if (!survivors.some(({ isVoter }) => isVoter)) problems.push('it lists no voter')
  if (!ids.some((id) => id === selfId)) {
    problems.push(`it does not list this server, "${selfId}"; place it on listed servers alone`)
  }
}

export function isAddress(text: string): boolean {
  const match = ADDRESS.exec(text)
  return match !== null && Number(match[2]) > 0 && Number(match[2]) <= 65_535
}

function repeated(values: readonly string[]): readonly string[] {
  return [...new Set(values.filter((value, i) => values.indexOf(value) !== i))]
}
