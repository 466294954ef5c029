/**
 * docs/reference/configuration.md from the tables of keys, flags and old names.
 */

import { DROPPED, RENAMED } from '../../core/config/deprecated.ts'
import { AGENT_FLAGS } from '../../core/config/flags.ts'
import { type KeyLeaf, leaves } from '../../core/config/key-table.ts'
import { KEYS } from '../../core/config/keys.ts'
import { code, GENERATED, table } from './markdown.ts'

export function configurationPage(): string {
  const all = [...leaves(KEYS)]
  const of = (support: KeyLeaf['support']) => all.filter(([, leaf]) => leaf.support === support)
  const flags = new Map(AGENT_FLAGS.map((flag) => [flag.key, `-${flag.name}`]))
  return `# Configuration

${GENERATED}

The agent reads flags and files. Files end in \`.hcl\` (HCL 1) or \`.json\`; \`-config-file\` and \`-config-dir\` take
a file or a folder and may be repeated; a folder gives its files in the order of their names, without going deeper.
\`fairlead validate\` checks files without starting anything.

From lowest to highest precedence: defaults, flags that may be repeated, files in the order given, other flags,
\`-hcl\` texts. A later value replaces an earlier one; blocks and maps merge key by key; lists, services and checks
are appended.

A wrong configuration starts nothing: every problem is reported at once with the key, the value, the place and what to
do. Unknown keys are problems. Durations are texts such as \`"10s"\` or \`"1h30m"\`. Ports: \`-1\` is off, \`0\` any
free port.

\`SIGHUP\`, \`fairlead reload\`, \`systemctl reload fairlead\` and, with \`auto_reload_config\`, a change of a file read
everything again and take over the keys marked "reload". Of the others, those that changed are named in the log with their
place: they take effect with the next start. A wrong file changes nothing and the reason is logged.

## Addresses by template

\`bind_addr\`, \`client_addr\`, \`advertise_addr*\`, \`addresses.*\`, \`serf_lan\`, \`recursors\` and \`retry_join\` may hold templates:

    bind_addr = "{{ GetPrivateIP }}"
    bind_addr = "{{ GetInterfaceIP \\"eth0\\" }}"
    client_addr = "127.0.0.1 {{ GetPrivateInterfaces | include \\"network\\" \\"10.0.0.0/8\\" | attr \\"address\\" }}"
    recursors = ["{{ GetDefaultInterfaces | exclude \\"type\\" \\"ipv6\\" | math \\"network\\" \\"+1\\" | attr \\"address\\" }}"]

Sources: \`GetAllInterfaces\`, \`GetDefaultInterfaces\`, \`GetPrivateInterfaces\`, \`GetPublicInterfaces\`, and as texts
\`GetPrivateIP\`, \`GetPrivateIPs\`, \`GetPublicIP\`, \`GetPublicIPs\`, \`GetInterfaceIP "name"\`,
\`GetInterfaceIPs "name"\`. Filters: \`include\` and \`exclude\` by \`address\`, \`flags\`, \`name\`, \`network\`,
\`port\`, \`rfc\`, \`size\` or \`type\`; \`sort "type,-address"\`; \`unique "name"\`; \`limit 1\`; \`offset 1\`;
\`math\` with \`address\`, \`network\` or \`mask\`; at the end \`attr "address"\` or \`join "address" " "\`. A template
that finds nothing is empty.

## Supported keys

${table(
  ['Key', 'Type', 'Default', 'Flag', 'Reload', 'Meaning'],
  of('full').map(([path, leaf]) => [
    code(path),
    leaf.type,
    code(leaf.default),
    code(flags.get(path) ?? ''),
    leaf.reload ? 'yes' : '',
    leaf.doc,
  ]),
)}

\`-dev\` is a flag only: a server on 127.0.0.1 that elects itself and keeps nothing.

A \`service\` block takes \`name\`, \`id\`, \`tags\`, \`address\`, \`port\`, \`socket_path\`, \`tagged_addresses\`,
\`meta\`, \`weights\`, \`enable_tag_override\`, \`token\`, \`check\`, \`checks\`, \`kind\`, \`proxy\`, \`connect\` and
\`locality\`; a \`check\` block takes the fields of \`/v1/agent/check/register\` in lower case with underscores.
Of Fairlead's own is the check of the host, with thresholds in percent (80 and 95 unless given):
\`host { resource = "disk" path = "/var" warning_percent = 80 critical_percent = 95 }\`, where the resource is \`cpu\`,
\`memory\` or \`disk\`. \`deregister_critical_service_after\` is at least one minute; less is raised with a warning.

## Keys of Consul that have no effect yet

Accepted; each one that is set is named in a warning at start.

${table(
  ['Key', 'What is so instead'],
  of('none').map(([path, leaf]) => [code(path), leaf.doc]),
)}

## Keys of one value

Accepted silently with this value, and with a warning otherwise.

${table(
  ['Key', 'Value', 'Why'],
  of('fixed').map(([path, leaf]) => [code(path), code(leaf.default), leaf.doc]),
)}

## Keys that need no effect

Accepted silently.

${table(
  ['Key', 'Why'],
  of('ignored').map(([path, leaf]) => [code(path), leaf.doc]),
)}

## Old names

Accepted with a warning and translated.

${table(
  ['Old', 'Now'],
  [...RENAMED].map(([old, current]) => [code(old), code(current)]),
)}

Without meaning any more: ${[...DROPPED].map(code).join(', ')}.
`
}
