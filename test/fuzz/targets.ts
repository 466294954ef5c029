/**
 * Every decoder of bytes from disk, network or users that the fuzzer knows. A new decoder adds its row here.
 */

import type { FuzzTarget } from './target.ts'
import { CLUSTER_TARGETS } from './targets/cluster.ts'
import { DISK_TARGETS } from './targets/disk.ts'
import { GOSSIP_TARGETS } from './targets/gossip.ts'
import { HTTP2_TARGETS } from './targets/http2.ts'
import { TEXT_TARGETS } from './targets/text.ts'
import { WIRE_TARGETS } from './targets/wire.ts'

export const TARGETS: readonly FuzzTarget[] = [
  ...DISK_TARGETS,
  ...WIRE_TARGETS,
  ...CLUSTER_TARGETS,
  ...GOSSIP_TARGETS,
  ...TEXT_TARGETS,
  ...HTTP2_TARGETS,
]
