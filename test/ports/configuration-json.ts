/**
 * Configurations and changes of them in the JSON of the ports: {voters, votersOutgoing, learners, learnersNext,
 * autoLeave}, ids as texts (verification 19.1, 19.2). Members without an address get `<id>:8300`.
 */

import {
  type Configuration,
  type ConfigurationChange,
  configurationFault,
  type MemberChange,
} from '../../core/raft/configuration.ts'
import { type ServerId, serverId } from '../../core/raft/types.ts'
import { type JsonObject, listAt, objectAt, PortError, textAt, textsAt } from './json-lines.ts'

export function configurationOf(from: JsonObject): Configuration {
  const list = (key: string, other?: string): ServerId[] => {
    const given = from[key] === undefined && other !== undefined ? other : key
    return [...new Set(textsAt(from, given))].sort().map(serverId)
  }
  const incoming = list('voters', 'incoming')
  const outgoing = list('votersOutgoing', 'outgoing')
  const learners = list('learners')
  const learnersNext = list('learnersNext')
  const members = [...new Set([...incoming, ...outgoing, ...learners])].sort()
  const given = objectAt(from['addresses'] ?? {}, '"addresses"')
  const addresses = members.map((id) => {
    const address = given[id]
    return { id, address: typeof address === 'string' ? address : addressOf(id) }
  })
  const autoLeave = from['autoLeave'] === true
  return { incoming, outgoing, learners, learnersNext, autoLeave, addresses }
}

/** @throws PortError with the rule that is broken */
export function validConfigurationOf(from: JsonObject): Configuration {
  const configuration = configurationOf(from)
  const fault = configurationFault(configuration)
  if (fault !== null) throw new PortError(fault)
  return configuration
}

export function configurationJson(configuration: Configuration): JsonObject {
  return {
    voters: configuration.incoming,
    votersOutgoing: configuration.outgoing,
    learners: configuration.learners,
    learnersNext: configuration.learnersNext,
    autoLeave: configuration.autoLeave,
  }
}

/** {op: simple|enterJoint|leaveJoint, changes: [{op: voter|learner|remove|update, id, address?}], autoLeave?} */
export function changeOf(from: JsonObject): ConfigurationChange {
  const op = String(from['change'] ?? from['op'] ?? from['type'])
  const changes = listAt(from, 'changes').map((item) => memberChangeOf(objectAt(item, 'a change')))
  switch (op) {
    case 'simple': {
      const [change] = changes
      if (change === undefined || changes.length > 1) {
        throw new PortError('a simple change has exactly one member of "changes"')
      }
      return { kind: 'simple', change, force: from['force'] === true }
    }
    case 'enterJoint':
      return { kind: 'enter-joint', changes, autoLeave: from['autoLeave'] === true }
    case 'leaveJoint':
      return { kind: 'leave-joint' }
    default:
      throw new PortError('a change is one of simple, enterJoint, leaveJoint')
  }
}

export function memberChangeOf(from: JsonObject): MemberChange {
  const id = serverId(textAt(from, 'id'))
  const address = typeof from['address'] === 'string' ? from['address'] : addressOf(id)
  switch (from['op'] ?? from['kind'] ?? from['type']) {
    case 'voter':
    case 'addVoter':
      return { kind: 'voter', id, address }
    case 'learner':
    case 'addLearner':
      return { kind: 'learner', id, address }
    case 'remove':
      return { kind: 'remove', id }
    case 'update':
    case 'address':
      return { kind: 'address', id, address }
    default:
      throw new PortError('a member change is one of voter, learner, remove, update')
  }
}

function addressOf(id: ServerId): string {
  return `${id}:8300`
}
