/**
 * What operators read in the log about members: one constant sentence for each kind of change.
 */

import type { Logger } from '../../core/log.ts'
import type { MemberChange, MemberView, SwimNotice } from '../../core/swim/types.ts'

const CHANGES: Readonly<Record<MemberChange, { level: 'info' | 'warn' | 'debug'; text: string }>> =
  {
    join: { level: 'info', text: 'member joined' },
    update: { level: 'debug', text: 'member changed' },
    leaving: { level: 'debug', text: 'member is leaving' },
    leave: { level: 'info', text: 'member left' },
    fail: { level: 'warn', text: 'member failed' },
    reap: { level: 'info', text: 'member forgotten' },
  }

export function logMemberChange(
  log: Logger,
  { change, name }: { readonly change: MemberChange; readonly name: string },
  view: MemberView | undefined,
): void {
  const { level, text } = CHANGES[change]
  log[level](text, { node: name, address: view?.address, port: view?.port })
}

export function logNotice(log: Logger, notice: SwimNotice): void {
  const { kind, ...facts } = notice
  switch (kind) {
    case 'name-conflict':
      log.error('another host claims a node name that is in use', facts)
      return
    case 'udp-blocked':
      log.warn('a member answers over TCP and not over UDP; does a firewall block it?', facts)
      return
    case 'suspected':
      log.debug('member is suspected to have failed', facts)
      return
    case 'refuted':
      log.warn('this member was suspected to have failed and objected', facts)
      return
    case 'merge-refused':
      log.warn('refused to exchange members', facts)
      return
    default:
      kind satisfies never
  }
}
