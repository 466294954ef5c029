/**
 * `fairlead version`: the program's version and the formats it speaks (cli.md section 7).
 */

import type { CommandSpec } from '../command.ts'
import { formatFlag, isJson } from '../json-output.ts'
import { COMPATIBLE_CONSUL_VERSION, readVersion } from '../version.ts'

export const versionCommand: CommandSpec = {
  summary: 'Print the version',
  usage: '',
  flags: [formatFlag],
  run: async (args, context) => {
    const { version } = readVersion()
    if (isJson(args)) {
      const answer = {
        HumanVersion: version,
        Version: version,
        Revision: '',
        Prerelease: '',
        RPC: { Default: 2, Min: 2, Max: 3 },
        Consul: COMPATIBLE_CONSUL_VERSION,
        Node: process.versions.node,
      }
      context.stdout(`${JSON.stringify(answer, undefined, '  ')}\n`)
    } else {
      context.stdout(
        `Fairlead v${version}\nSpeaks the formats of Consul ${COMPATIBLE_CONSUL_VERSION}\nNode ${process.versions.node}\n`,
      )
    }
    return 0
  },
}
