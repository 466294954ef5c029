/**
 * The composition root: the only place where server, agent, clock, disk and network are put together.
 *
 * Parts start in the order of the list and stop in exact reverse; a failed start undoes what had begun.
 * Nothing here decides anything: it hands each part what it needs.
 */

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createDnsServer } from '../../agent/dns/dns-server.ts'
import { createHttpApi } from '../../agent/http/server.ts'
import { createLocalAgent } from '../../agent/local/local-agent.ts'
import { createMesh } from '../../agent/mesh/mesh.ts'
import { SubscribedViews } from '../../agent/view/catalog-views.ts'
import type { AgentConfig } from '../../core/config/model.ts'
import type { FairleadError } from '../../core/errors.ts'
import type { Service } from '../../core/lifecycle.ts'
import type { Logger } from '../../core/log.ts'
import type { Clock, Instant } from '../../core/time.ts'
import { loadOrCreateNodeId } from '../../runtime/host/node-id.ts'
import { createKeyAndCsr } from '../../runtime/pki/csr.ts'
import { systemRng } from '../../runtime/random/system-random.ts'
import { createServer } from '../../server/server.ts'
import type { BoundPorts } from './banner.ts'
import type { LoadedConfig } from './load-config.ts'
import { writePidFile } from './pid-file.ts'

export interface AgentVersions {
  readonly fairlead: string
  readonly consul: string
}

export interface AgentDeps {
  readonly clock: Clock
  readonly log: Logger
  /** Aborts the start. */
  readonly signal: AbortSignal
  readonly onFatal: (error: FairleadError) => void
  readonly onLeave: () => Promise<void>
  readonly onReload: () => Promise<void>
}

export interface Agent extends AsyncDisposable {
  readonly config: AgentConfig
  readonly ports: BoundPorts
  drain(deadline: Instant): Promise<void>
  /** Takes over service and check definitions. @throws FairleadError for one that is refused */
  reload(loaded: LoadedConfig): Promise<void>
}
