/**
 * docs/reference/dns.md: the forms of names from their table, and the rules that hold for all of them.
 */

import { DNS_FORMS, type DnsForm } from '../../core/dns/forms.ts'
import { code, GENERATED, table } from './markdown.ts'

export function dnsPage(): string {
  return `# DNS

${GENERATED}

Every agent answers DNS on port 8600 (\`ports.dns\`), UDP and TCP, at \`addresses.dns\` or else \`client_addr\`. It answers
for \`domain\` (\`consul.\`) and \`alt_domain\`, and for reverse names; others are asked of the \`recursors\`, or refused
where there are none. How to put it behind the resolver of a host: [forward DNS](../how-to/forward-dns.md).

## Names

\`D\` is the domain. Letter case does not matter; an answer carries the name as it was asked (\`virtual\` and \`addr\`
excepted, whose answers are in lower case). Anything else below \`D\` is NXDOMAIN, with the SOA record.

${table(['Name', 'Types', 'Answer', 'When there is none'], DNS_FORMS.map(row))}

${notes()}

## Which instances

An instance is left out when any of its checks, or of its node's, is critical; with \`only_passing\` also in warning.
Addresses that occur twice are given once. An instance without an address of its own stands at its node's. An SRV record
carries the weight of the instance's state; its target is the node's name, or \`<hex>.addr\` where the instance has an address of
its own, and the additional section has the target's address and the node's metadata as TXT.

An instance whose address is a host name gives a CNAME, with what the name stands for where that is in the own domain or a
recursor knows it.

## Codes

| Situation | Code | Authority |
| --- | --- | --- |
| found | NOERROR | |
| no such name, no healthy instance, unknown datacenter | NXDOMAIN | SOA |
| the service exists, but has no record of this type | NOERROR, empty | SOA |
| the node, virtual or literal address has no record of this type | NOERROR, empty | |
| no server can be asked and nothing is known from before | SERVFAIL | |
| all recursors failed | SERVFAIL | |
| AXFR, and other operations than QUERY and NOTIFY | NOTIMP | |
| outside the domain, without recursors | REFUSED | |
| malformed, or not exactly one question | FORMERR | |

Responses and packets without a whole header are dropped.

## How much fits

| | Answers | Bytes |
| --- | --- | --- |
| UDP without EDNS, or with 512 bytes | \`udp_answer_limit\` (3), at most 8 | 504 |
| UDP with EDNS | as many as fit | the client's size less 8, at most 65,459 |
| TCP | 4,096; SRV 1,024 | 65,523 |

What does not fit is left out: additional records first, then authority, then answers. The order is random at each
question, so every instance has its turn. TC is set only with \`enable_truncate\`, as in Consul.
\`a_record_limit\` holds for every transport.

## How long

TTLs are 0 unless \`node_ttl\` and \`service_ttl\` say otherwise (by name, by the longest \`prefix*\`, or \`*\`); reverse
answers are always 0; negative ones last \`soa.min_ttl\`.

Services, nodes and reverse names are answered from the agent's own view of the catalog, which the servers keep up to date, so
they cost no question to a server once a name was asked for, and go on while no server is reachable. With
\`allow_stale = false\` the leader is asked each time; so are the servers where the view was confirmed longer ago than
\`max_stale\`.

On all addresses (\`0.0.0.0\`, \`::\`) a reply leaves from the address that was asked. All of \`dns_config\` and
\`recursors\` is taken over by a reload, as a whole or not at all; \`domain\`, \`alt_domain\`, ports and addresses need a
restart. The keys are in [configuration](configuration.md), the bounds in [limits](limits.md).
`
}

function row(form: DnsForm): readonly string[] {
  const name = form.form.split(', ').map(code).join(' or ')
  const answer = form.status === 'unsupported' ? 'Not supported' : form.answer
  return [name, form.types.join(' '), answer, form.unknown]
}

/** What differs from Consul, or is missing. */
function notes(): string {
  return DNS_FORMS.filter(({ note }) => note !== undefined)
    .map(({ example, note }) => `- ${code(example)}: ${note}.`)
    .join('\n')
}
