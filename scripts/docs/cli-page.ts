/**
 * docs/reference/cli.md from the tree of commands.
 */

import type { CommandSpec } from '../../cli/command.ts'
import type { CommandTree } from '../../cli/command-node.ts'
import { COMMANDS } from '../../cli/command-tree.ts'
import { valueText } from '../../cli/help.ts'
import { code, GENERATED, table } from './markdown.ts'

export async function cliPage(): Promise<string> {
  const unsupported: string[] = []
  const sections = await commandSections(COMMANDS, [], unsupported)
  return `# Command line

${GENERATED}

\`fairlead <command> [flags] [arguments]\`. Flags take one dash or two, a value after a blank or \`=\`, and stand before
the arguments; a switch takes a value only after \`=\` (\`-server=false\`). Results go to standard output, everything
else to standard error. \`fairlead <command> -help\` shows the flags.

Completion: \`fairlead -autocomplete-install\` adds it to bash, zsh and fish of this user, for commands, flags, and names that the
agent knows (services, nodes, keys); \`-autocomplete-uninstall\` takes it out. Colour is used on terminals only and obeys
\`NO_COLOR\`. What prints a table or a list prints JSON with \`-format=json\`.

Exit codes: 0 good; 1 failed or used wrongly; 2 as noted below; 127 no such command.

Commands that talk to an agent find it by \`-http-addr\`, \`FAIRLEAD_HTTP_ADDR\` or \`CONSUL_HTTP_ADDR\`
(default \`http://127.0.0.1:8500\`), and obey \`CONSUL_HTTP_TOKEN\`, \`CONSUL_HTTP_TOKEN_FILE\`, \`CONSUL_HTTP_AUTH\`,
\`CONSUL_HTTP_SSL\`, \`CONSUL_HTTP_SSL_VERIFY\`, \`CONSUL_CACERT\`, \`CONSUL_CAPATH\`, \`CONSUL_CLIENT_CERT\`, \`CONSUL_CLIENT_KEY\`,
\`CONSUL_TLS_SERVER_NAME\`, \`CONSUL_NAMESPACE\` and \`CONSUL_PARTITION\`.

| Command | Exit codes of its own |
| --- | --- |
| \`members\` | 2: no member matches |
| \`intention check\` | 0 allowed, 1 denied, 2 could not be found out |
| \`intention list\` | 2: there are none |
| \`agent\` | 0 after SIGTERM, SIGINT or \`leave\`; 1 when it could not start, failed, or was cut by a second signal |

${sections.join('\n')}
## Not there yet

These commands of Consul answer that they are not supported yet: ${unsupported.map(code).join(', ')}.
`
}

async function commandSections(
  tree: CommandTree,
  path: readonly string[],
  unsupported: string[],
): Promise<readonly string[]> {
  const sections: string[] = []
  for (const [name, node] of Object.entries(tree)) {
    const here = [...path, name]
    if (node.kind === 'unsupported') unsupported.push(here.join(' '))
    else if (node.kind === 'group') {
      sections.push(...(await commandSections(node.children, here, unsupported)))
    } else if (node.hidden !== true) sections.push(section(here, await node.load()))
  }
  return sections
}

function section(path: readonly string[], spec: CommandSpec): string {
  const usage = ['fairlead', ...path, '[flags]', spec.usage].join(' ').trim()
  const rows = spec.flags.map((flag) => [code(`-${flag.name}${valueText(flag)}`), flag.doc])
  return `## ${path.join(' ')}

${spec.summary}.

    ${usage}

${rows.length === 0 ? '' : `${table(['Flag', 'Meaning'], rows)}\n`}`
}
