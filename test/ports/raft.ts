/**
 * The Raft port: any number of cores, no network, driven by JSON lines (verification 19.1).
 *
 *   npm run --silent port:raft
 *   {"op":"new","id":"a","voters":["a","b","c"],"opts":{"electionTicks":10,"heartbeatTicks":1}}
 *   {"op":"input","id":"a","kind":"tick","count":20}
 *   {"op":"pull","id":"a"}
 *   {"op":"dump","id":"a"}
 *   {"op":"restart","id":"a","keep":"durable"}
 *
 * Without `asyncStorage` a pull counts as written and applied; with it, `appended` and `applied` are inputs.
 * `preVote` and `checkQuorum` may be switched off here; the product has no such switch.
 */

import { named, PortError, serveLines, textAt } from './json-lines.ts'
import { PortCore } from './raft/port-core.ts'

const cores = new Map<string, PortCore>()

function coreOf(id: string): PortCore {
  const core = cores.get(id)
  if (core === undefined) throw new PortError(`no core "${id}"; make it with "new"`)
  return core
}

await serveLines((request) => {
  const [op, fields] = named(request, ['new', 'input', 'pull', 'dump', 'restart'])
  const id = textAt(fields, 'id')
  switch (op) {
    case 'new':
      cores.set(id, new PortCore(fields))
      return { created: id }
    case 'input':
      return coreOf(id).input(fields)
    case 'pull':
      return coreOf(id).pull()
    case 'dump':
      return coreOf(id).dump()
    default:
      return coreOf(id).restart(fields)
  }
})
