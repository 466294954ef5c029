/**
 * Completes answers whose address is a host name with the records of that name (dns.md section 4.4).
 *
 * Names of own zones are resolved here, as ANY and at most `LEVELS_MAX` deep; others through recursors, A
 * over UDP. What cannot be resolved leaves the answer as it is. Bounds: `HOSTS_MAX` names an answer, and
 * `RECORDS_MAX` records a name when the client has no EDNS.
 */

import { decodeReplyAddresses } from '../../core/dns/decode-reply.ts'
import { FLAG, HEADER_SIZE, TYPE } from '../../core/dns/protocol.ts'
import {
  type DnsResponse,
  type Draft,
  isEncodableName,
  type ResourceRecord,
} from '../../core/dns/records.ts'
import { WireWriter } from '../../core/dns/writer.ts'
import type { Logger } from '../../core/log.ts'
import type { Recursors } from './recursors.ts'
import type { Responder } from './responder.ts'

const LEVELS_MAX = 3
const HOSTS_MAX = 16
const RECORDS_MAX = 5
const RECORDS_EDNS_MAX = 64

export class HostResolver {
  readonly #responder: Responder
  readonly #recursors: Recursors
  readonly #log: Logger

  constructor(deps: {
    readonly responder: Responder
    readonly recursors: Recursors
    readonly log: Logger
  }) {
    this.#responder = deps.responder
    this.#recursors = deps.recursors
    this.#log = deps.log
  }

  async complete(draft: Draft, hasEdns: boolean, level = 1): Promise<DnsResponse> {
    const answers = [...draft.response.answers]
    const additional = [...draft.response.additional]
    const limit = hasEdns ? RECORDS_EDNS_MAX : RECORDS_MAX
    for (const { host, section, ttl } of draft.hosts.slice(0, HOSTS_MAX)) {
      const records = await this.#resolve(host, level)
      const kept = records.slice(0, limit).map((record) => ({ ...record, ttl }))
      if (section === 'answers') answers.push(...kept)
      else additional.push(...kept)
    }
    return { ...draft.response, answers, additional }
  }

  async #resolve(host: string, level: number): Promise<readonly ResourceRecord[]> {
    const name = host.toLowerCase()
    const outcome = await this.#responder.resolve({ labels: name.split('.'), type: TYPE.ANY })
    if (outcome.kind === 'foreign') return this.#ask(host)
    if (level >= LEVELS_MAX) {
      this.#log.error('host names of services refer to each other too deeply', { host })
      return []
    }
    const response = await this.complete(outcome.draft, false, level + 1)
    return response.answers
      .filter(isAddressOrAlias)
      .map((record) => (typeof record.owner === 'string' ? record : { ...record, owner: host }))
  }

  async #ask(host: string): Promise<readonly ResourceRecord[]> {
    if (this.#recursors.isEmpty) return []
    const query = addressQuery(host)
    const reply = await this.#recursors.forward(query, query.length, 'udp')
    const records = reply === null ? null : decodeReplyAddresses(reply)
    return (records ?? []).filter(isEncodable)
  }
}

function isAddressOrAlias(record: ResourceRecord): boolean {
  return record.type === TYPE.A || record.type === TYPE.AAAA || record.type === TYPE.CNAME
}

/** Names with dots inside a label cannot be told from others as text; such a reply is not passed on. */
function isEncodable(record: ResourceRecord): boolean {
  if (typeof record.owner === 'string' && !isEncodableName(record.owner)) return false
  return record.type !== TYPE.CNAME || isEncodableName(record.target)
}

function addressQuery(host: string): Uint8Array {
  const writer = new WireWriter({ compress: false })
  const counts = [1, 0, 0, 0]
  writer.u16(0)
  writer.u16(FLAG.RD)
  for (const count of counts) writer.u16(count)
  writer.name(host)
  writer.u16(TYPE.A)
  writer.u16(1)
  return writer.finish().slice(0, Math.max(HEADER_SIZE, writer.length))
}
