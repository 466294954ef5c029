/**
 * Makes the parts of access control of a server, where it is on.
 */

import type { StateStore } from '../../core/catalog/state-store.ts'
import type { AgentConfig } from '../../core/config/model.ts'
import type { Logger } from '../../core/log.ts'
import type { Clock } from '../../core/time.ts'
import { JwtVerifier } from '../../runtime/jwt/jwt-verifier.ts'
import { newUuid } from '../../runtime/random/system-random.ts'
import type { CommandWriter } from '../api/command-writer.ts'
import { AclActs } from './acl-acts.ts'
import { AclAuthority } from './authority.ts'

/** Nothing of it without access control. */
export function createAcl(
  config: AgentConfig,
  {
    store,
    writer,
    clock,
    log,
  }: {
    readonly clock: Clock
    readonly log: Logger
    readonly store: StateStore
    readonly writer: CommandWriter
  },
): { readonly authority: AclAuthority | undefined; readonly aclActs: AclActs | undefined } {
  const { acl, datacenter, dataDir } = config
  if (!acl.enabled) return { authority: undefined, aclActs: undefined }
  const { defaultPolicy, listsKeysByPolicy, initialManagement } = acl
  const authority = new AclAuthority(
    { datacenter, defaultPolicy, listsKeysByPolicy },
    { store, clock },
  )
  const aclActs = new AclActs(
    { datacenter, dataDir, initialManagement },
    {
      store,
      write: (command) => writer.write(command),
      jwt: new JwtVerifier({ clock }),
      clock,
      log: log.child('acl'),
      newId: newUuid,
    },
  )
  return { authority, aclActs }
}
