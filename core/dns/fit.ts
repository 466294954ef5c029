/**
 * Cuts a response to what its transport may carry (dns.md section 11).
 *
 * Guarantees: the packet is at most `budget` bytes unless a single answer alone is longer; at least one
 * answer is kept; the additional section of a cut response holds only what its SRV targets refer to.
 * Differs from Consul in one point: what is left over goes before a further answer does, so that a lone SRV answer with
 * much node metadata cannot blow up a 512-byte packet.
 */

import type { DnsQuery } from './decode.ts'
import { encodeResponse, uncompressedSize } from './encode.ts'
import { TYPE } from './protocol.ts'
import type { DnsResponse, ResourceRecord } from './records.ts'

export interface FitOptions {
  readonly transport: 'udp' | 'tcp'
  readonly compress: boolean
  readonly recursionAvailable: boolean
  readonly enableTruncate: boolean
  readonly udpAnswerLimit: number
}

const UDP_SIZE_MIN = 512
const UDP_SIZE_MAX = 65_467
const TCP_SIZE_MAX = 65_523
const UDP_RESERVE = 8
const UDP_ANSWERS_MAX = 8
const TCP_ANSWERS_MAX = 4096
const TCP_SRV_ANSWERS_MAX = 1024

/** Encodes a response within the limits of the transport. */
export function encodeFitting(
  request: Uint8Array,
  query: DnsQuery,
  response: DnsResponse,
  options: FitOptions,
): Uint8Array {
  const size = udpSize(query)
  const isSmallUdp = options.transport === 'udp' && size === UDP_SIZE_MIN
  const budget = options.transport === 'udp' ? size - UDP_RESERVE : TCP_SIZE_MAX
  const { compress, recursionAvailable } = options
  const encode = (candidate: DnsResponse, isTruncated: boolean): Uint8Array | null =>
    encodeResponse(request, query, candidate, { compress, recursionAvailable, isTruncated })

  const limited = limitAnswers(query, response, options, isSmallUdp)
  if (limited === response && !(isSmallUdp && uncompressedSize(query, response) > budget)) {
    const whole = encode(response, false)
    if (whole !== null && whole.length <= budget) return whole
  }
  const fits = (candidate: DnsResponse): boolean => {
    if (isSmallUdp) return uncompressedSize(query, candidate) <= budget
    const packet = encode(candidate, false)
    return packet !== null && packet.length <= budget
  }
  const cut = cutToFit(limited, fits)
  const packet = encode(cut, options.enableTruncate)
  // Even one answer that is longer than a message: an empty answer is all that can be sent.
  return packet ?? (encode({ ...cut, answers: [], additional: [] }, true) as Uint8Array)
}

function udpSize(query: DnsQuery): number {
  const asked = query.edns?.udpSize ?? UDP_SIZE_MIN
  return Math.min(UDP_SIZE_MAX, Math.max(UDP_SIZE_MIN, asked))
}

function limitAnswers(
  query: DnsQuery,
  response: DnsResponse,
  options: FitOptions,
  isSmallUdp: boolean,
): DnsResponse {
  let limit = Number.POSITIVE_INFINITY
  if (options.transport === 'tcp') {
    limit = query.type === TYPE.SRV ? TCP_SRV_ANSWERS_MAX : TCP_ANSWERS_MAX
  } else if (isSmallUdp) {
    limit = Math.max(1, Math.min(options.udpAnswerLimit, UDP_ANSWERS_MAX))
  }
  if (response.answers.length <= limit) return response
  return withAnswers(response, limit)
}

function cutToFit(response: DnsResponse, fits: (candidate: DnsResponse) => boolean): DnsResponse {
  if (fits(response)) return response
  const bare: DnsResponse = { ...response, authority: [] }
  const all = withAnswers(bare, bare.answers.length)
  if (fits(all)) return all
  // Sizes grow with the number of answers, so the largest number that fits is found by halving.
  let low = 1
  let high = bare.answers.length
  while (high - low > 1) {
    const middle = (low + high) >> 1
    if (fits(withAnswers(bare, middle))) low = middle
    else high = middle
  }
  const cut = withAnswers(bare, low)
  return fits(cut) ? cut : { ...cut, additional: [] }
}

/** The first `count` answers with the additional records that they refer to. */
function withAnswers(response: DnsResponse, count: number): DnsResponse {
  const answers = response.answers.slice(0, count)
  return { ...response, answers, additional: referenced(answers, response.additional) }
}

/** First record of each SRV target, following CNAMEs. */
function referenced(
  answers: readonly ResourceRecord[],
  additional: readonly ResourceRecord[],
): readonly ResourceRecord[] {
  if (additional.length === 0) return additional
  const byOwner = new Map<unknown, ResourceRecord>()
  for (const record of additional) {
    if (record.type !== TYPE.TXT && !byOwner.has(record.owner)) byOwner.set(record.owner, record)
  }
  const kept = new Set<ResourceRecord>()
  for (const answer of answers) {
    let name: string | undefined = answer.type === TYPE.SRV ? answer.target : undefined
    while (name !== undefined) {
      const record = byOwner.get(name)
      if (record === undefined || kept.has(record)) break
      kept.add(record)
      name = record.type === TYPE.CNAME ? record.target : undefined
    }
  }
  return [...kept]
}
