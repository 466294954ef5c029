/**
 * A gossip member as agent/members and agent/self print it (http-api.md 9.1, 9.3).
 *
 * The protocol numbers are those of the gossip wire format that fairlead speaks.
 */

import type { Member, MemberStatus } from '../../../core/membership.ts'
import { text, textMap } from './json.ts'

const STATUS: Readonly<Record<MemberStatus, number>> = {
  none: 0,
  alive: 1,
  leaving: 2,
  left: 3,
  failed: 4,
}

const VERSIONS =
  '"ProtocolMin":1,"ProtocolMax":5,"ProtocolCur":2,"DelegateMin":2,"DelegateMax":5,"DelegateCur":4'

export function memberJson(member: Member): string {
  return (
    `{"Name":${text(member.name)},"Addr":${text(member.address)},"Port":${member.port},` +
    `"Tags":${textMap(member.tags)},"Status":${STATUS[member.status]},${VERSIONS}}`
  )
}
