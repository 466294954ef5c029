/**
 * The forms of names that DNS answers, as data: what the reference page and the table of compatibility print.
 *
 * Guarantees: each example is understood as its form says (test/unit/core/dns/forms.test.ts). Decides
 * nothing: that is question.ts. Source: dns.md 2 to 8.
 */

import type { Lookup } from './question.ts'

export interface DnsForm {
  /** With `D` for the domain, own or alternative. */
  readonly form: string
  /** A question of this form, `consul` being the domain. */
  readonly example: string
  /** What question.ts makes of it; `reverse` and `zone` are decided before it. */
  readonly kind: Exclude<Lookup['kind'], 'invalid'> | 'reverse' | 'zone'
  /** Question types that get records. */
  readonly types: readonly string[]
  readonly answer: string
  /** What a name gets that stands for nothing. */
  readonly unknown: string
  readonly status: 'works' | 'differs' | 'unsupported'
  /** How it differs, or what to use instead. */
  readonly note?: string
}

const ADDRESSES = ['A', 'AAAA', 'ANY'] as const
const NO_PEERS = 'Cluster peers (`<peer>.peer.D`) are unknown names'

export const DNS_FORMS: readonly DnsForm[] = [
  {
    form: '<service>.service[.<dc>][.dc].D',
    example: 'web.service.consul',
    kind: 'service',
    types: [...ADDRESSES, 'SRV'],
    answer: 'Healthy instances, in random order',
    unknown: 'NXDOMAIN with SOA',
    status: 'works',
    note: `${NO_PEERS}. A TXT question gets no data, where Consul gives address records`,
  },
  {
    form: '<tag>.<service>.service[.<dc>][.dc].D',
    example: 'a.b.web.service.consul',
    kind: 'service',
    types: [...ADDRESSES, 'SRV'],
    answer: 'Healthy instances with the tag; a tag may contain dots',
    unknown: 'NXDOMAIN with SOA',
    status: 'works',
  },
  {
    form: '_<service>._<tag>[.service][.<dc>][.dc].D',
    example: '_web._tcp.service.consul',
    kind: 'service',
    types: ['SRV'],
    answer: 'As above (RFC 2782); `_tcp` stands for any tag',
    unknown: 'NXDOMAIN with SOA',
    status: 'works',
  },
  {
    form: '<service>.connect[.<dc>][.dc].D',
    example: 'pay.connect.consul',
    kind: 'connect',
    types: [...ADDRESSES, 'SRV'],
    answer: 'Healthy instances that take mesh traffic for the service: sidecars and native ones',
    unknown: 'NXDOMAIN with SOA',
    status: 'works',
  },
  {
    form: '<service>.ingress[.<dc>][.dc].D',
    example: 'web.ingress.consul',
    kind: 'ingress',
    types: [...ADDRESSES, 'SRV'],
    answer: 'Healthy instances of the ingress gateways whose config entries name the service',
    unknown: 'NXDOMAIN with SOA',
    status: 'works',
  },
  {
    form: '<service>.virtual.D',
    example: 'pay.virtual.consul',
    kind: 'virtual',
    types: ['A', 'ANY'],
    answer: 'The address at which this host reaches the service through the mesh',
    unknown: 'NOERROR, empty',
    status: 'differs',
    note: 'The address is out of `proxy.loopback_base` (127.128.0.0/9) where this host runs the proxy. Other types get an empty answer, where Consul gives the A record for any type',
  },
  {
    form: '<node>.node[.<dc>][.dc].D',
    example: 'vm-a.node.consul',
    kind: 'node',
    types: [...ADDRESSES, 'TXT'],
    answer:
      'The address of the node whatever its health, and its metadata as TXT; a name may contain dots',
    unknown: 'NXDOMAIN with SOA',
    status: 'works',
    note: NO_PEERS,
  },
  {
    form: '<hex>.addr[.<anything>].D',
    example: '0a000106.addr.dc1.consul',
    kind: 'address',
    types: [...ADDRESSES],
    answer: 'The address that the 8 or 32 hex digits spell',
    unknown: 'NXDOMAIN with SOA',
    status: 'works',
  },
  {
    form: '<query>.query[.<dc>].D, _<query>._<proto>.query[.<dc>].D',
    example: 'any.query.consul',
    kind: 'query',
    types: [...ADDRESSES, 'SRV'],
    answer:
      'The instances that the prepared query chooses, nearest first where it says so; its TTL, or that of the service',
    unknown: 'NXDOMAIN with SOA, also for a query without instances',
    status: 'works',
    note: 'Reads the servers each time: without any there is no answer (SERVFAIL)',
  },
  {
    form: '<d>.<c>.<b>.<a>.in-addr.arpa, <32 nibbles>.ip6.arpa',
    example: '5.0.0.10.in-addr.arpa',
    kind: 'reverse',
    types: ['PTR'],
    answer: 'The node with this address, else a service whose own address it is',
    unknown: 'Asked of the recursors; without any NXDOMAIN with SOA',
    status: 'works',
    note: 'Any type gets the PTR record',
  },
  {
    form: 'D, <anything>.D',
    example: 'consul',
    kind: 'zone',
    types: ['SOA', 'NS'],
    answer: 'The SOA record of the zone; up to three healthy servers',
    unknown: 'Never: every name has these',
    status: 'works',
  },
]
