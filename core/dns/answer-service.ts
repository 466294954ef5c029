/**
 * Answers for a set of instances: A, AAAA, ANY and SRV (dns.md section 4).
 *
 * The order is random on each call, or that of the instances where it means something. Host-name addresses are left as references (`hosts`) for the shell to
 * resolve. Differs from Consul in one point: a TXT question gets no data instead of address records.
 */

import type { DnsConfig } from '../config/model.ts'
import type { Rng } from '../rng.ts'
import { nodeAddress } from './addresses.ts'
import { nodeName, nodeTexts } from './answer-node.ts'
import { addressFor, type HealthyInstance } from './instances.ts'
import { ipToHex } from './ip.ts'
import { RCODE, TYPE } from './protocol.ts'
import {
  ASKED_NAME,
  addressRecord,
  type DnsResponse,
  type Draft,
  fitsFamily,
  type HostReference,
  isEncodableName,
  type ResourceRecord,
} from './records.ts'
import { negative, type SoaSource } from './soa.ts'

export interface ServiceQuestion {
  readonly type: number
  /** Domain of the question, own or alternative. */
  readonly zone: string
  /** Lower case: an instance whose address is this very name answers with its node's address. */
  readonly name: string
  readonly ttl: number
  readonly soa: SoaSource
}

/**
 * Answers a service, connect or ingress lookup.
 *
 * @param instances healthy and with the wanted tag
 */
export function answerInstances(
  instances: readonly HealthyInstance[],
  question: ServiceQuestion,
  config: DnsConfig,
  rng: Rng,
): Draft {
  return answerInOrder(rng.shuffle(instances), question, config)
}

/** As `answerInstances`, in the order of the instances. */
export function answerInOrder(
  instances: readonly HealthyInstance[],
  question: ServiceQuestion,
  config: DnsConfig,
): Draft {
  if (instances.length === 0) return closed(negative(RCODE.NXDOMAIN, question.soa))
  switch (question.type) {
    case TYPE.A:
    case TYPE.AAAA:
    case TYPE.ANY:
      return answerAddresses(instances, question, config)
    case TYPE.SRV:
      return answerSrv(instances, question, config)
    default:
      return closed(negative(RCODE.NOERROR, question.soa))
  }
}

export function closed(response: DnsResponse): Draft {
  return { response, hosts: [] }
}

function answerAddresses(
  instances: readonly HealthyInstance[],
  question: ServiceQuestion,
  config: DnsConfig,
): Draft {
  const { type, ttl } = question
  const limit = config.aRecordLimit > 0 ? config.aRecordLimit : Number.POSITIVE_INFINITY
  const seen = new Set<string>()
  const answers: ResourceRecord[] = []
  let host: string | undefined
  for (const instance of instances) {
    if (answers.length >= limit) break
    let choice = addressFor(instance, type)
    if (choice.kind === 'host' && choice.host.toLowerCase() === question.name) {
      choice = nodeAddress(instance.node, type)
    }
    if (choice.kind === 'host') host ??= choice.host
    if (choice.kind !== 'ip' || !fitsFamily(type, choice.bytes) || seen.has(choice.text)) continue
    seen.add(choice.text)
    answers.push(addressRecord(ASKED_NAME, ttl, choice.bytes))
  }
  if (answers.length > 0) return closed(found(answers))
  if (host === undefined) return closed(negative(RCODE.NOERROR, question.soa))
  return {
    response: found([{ type: TYPE.CNAME, owner: ASKED_NAME, ttl, target: host }]),
    hosts: [{ host, section: 'answers', ttl }],
  }
}

function answerSrv(
  instances: readonly HealthyInstance[],
  question: ServiceQuestion,
  config: DnsConfig,
): Draft {
  const { ttl } = question
  const seen = new Set<string>()
  const answers: ResourceRecord[] = []
  const extra = new Additional(ttl)
  for (const instance of instances) {
    const { node, service } = instance
    const key = `${node.node}\0${service.address}\0${service.port}`
    if (seen.has(key)) continue
    seen.add(key)
    const canonical = nodeName(node, question.zone)
    const target = srvTarget(instance, canonical, question.zone, extra)
    if (target === null) continue
    const port = service.port & 0xffff
    const { weight } = instance
    answers.push({ type: TYPE.SRV, owner: ASKED_NAME, ttl, priority: 1, weight, port, target })
    if (config.enableAdditionalNodeMetaTxt && isEncodableName(canonical)) {
      extra.addOnce(`txt ${canonical}`, () => nodeTexts(node, canonical, ttl))
    }
  }
  if (answers.length === 0) return closed(negative(RCODE.NOERROR, question.soa))
  return { response: { ...found(answers), additional: extra.records }, hosts: extra.hosts }
}

/** Chooses the target name and adds the records that resolve it; null when the instance has no address. */
function srvTarget(
  instance: HealthyInstance,
  canonical: string,
  zone: string,
  extra: Additional,
): string | null {
  const choice = instance.any
  if (choice.kind === 'none') return null
  const byNode = !instance.hasOwnAddress && isEncodableName(canonical)
  if (choice.kind === 'host') {
    const { host } = choice
    if (byNode) extra.addAlias(canonical, host)
    extra.addHost(host)
    return byNode ? canonical : host
  }
  const { bytes } = choice
  // The name of a node that does not fit DNS is replaced by that of its address.
  const target = byNode ? canonical : `${ipToHex(bytes)}.addr.${instance.node.datacenter}.${zone}`
  extra.addOnce(target, () => [addressRecord(target, extra.ttl, bytes)])
  return target
}

class Additional {
  readonly ttl: number
  readonly records: ResourceRecord[] = []
  readonly hosts: HostReference[] = []
  readonly #seen = new Set<string>()

  constructor(ttl: number) {
    this.ttl = ttl
  }

  addOnce(key: string, make: () => readonly ResourceRecord[]): void {
    if (this.#seen.has(key)) return
    this.#seen.add(key)
    this.records.push(...make())
  }

  addAlias(owner: string, target: string): void {
    this.addOnce(owner, () => [{ type: TYPE.CNAME, owner, ttl: this.ttl, target }])
  }

  addHost(host: string): void {
    if (this.#seen.has(`host ${host}`)) return
    this.#seen.add(`host ${host}`)
    this.hosts.push({ host, section: 'additional', ttl: this.ttl })
  }
}

function found(answers: readonly ResourceRecord[]): DnsResponse {
  return { rcode: RCODE.NOERROR, authoritative: true, answers, authority: [], additional: [] }
}
