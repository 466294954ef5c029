/**
 * Settings of the cluster: founding, joining, leaving, Raft, autopilot (agent-config.md 3.1, 3.3, 3.5). Pure.
 *
 * Message texts follow agent-config.md section 13 where it has one.
 */

import { AUTOPILOT_DEFAULTS } from '../autopilot/defaults.ts'
import type { AutopilotSettings } from '../autopilot/types.ts'
import { type IpNetwork, parseIpNetwork } from '../ip-network.ts'
import { GossipKey } from '../swim/gossip-key.ts'
import { LAN_TIMING } from '../swim/timing.ts'
import { expandedList } from './addresses.ts'
import { parseMemberAddress } from './member-address.ts'
import type { AgentConfig, GossipSettings } from './model.ts'
import type { RawReader } from './raw-reader.ts'
import type { HostInterface } from './sockaddr/host-interface.ts'

/** A host that reboots and repairs its disk must not be forgotten meanwhile. */
const RECONNECT_MIN_MS = 8 * 3_600_000
const REJOIN_AGE_MIN_MS = 6 * 3_600_000

type ClusterConfig = Pick<
  AgentConfig,
  | 'bootstrapExpect'
  | 'retryJoin'
  | 'retryIntervalMs'
  | 'retryMax'
  | 'gossip'
  | 'gossipEncryption'
  | 'gossipAllowedNetworks'
  | 'disableCoordinates'
  | 'rejoinAfterLeave'
  | 'reconnectTimeoutMs'
  | 'advertiseReconnectTimeoutMs'
  | 'serverRejoinAgeMaxMs'
  | 'leave'
  | 'raft'
  | 'rpcHoldTimeoutMs'
  | 'discoveryMaxStaleMs'
  | 'autopilot'
>

export function resolveCluster(
  reader: RawReader,
  {
    devMode,
    server,
    interfaces,
  }: {
    readonly devMode: boolean
    readonly server: boolean
    readonly interfaces: readonly HostInterface[]
  },
): ClusterConfig {
  return {
    bootstrapExpect: resolveBootstrap(reader, server, devMode),
    retryJoin: resolveRetryJoin(reader, interfaces),
    retryIntervalMs: reader.number('retry_interval', 30_000, 1),
    retryMax: reader.number('retry_max', 0),
    gossip: resolveGossip(reader),
    gossipEncryption: {
      key: resolveGossipKey(reader),
      verifyIncoming: reader.bool('encrypt_verify_incoming', true),
      verifyOutgoing: reader.bool('encrypt_verify_outgoing', true),
      isKept: !reader.bool('disable_keyring_file', false),
    },
    gossipAllowedNetworks: resolveAllowedNetworks(reader),
    disableCoordinates: reader.bool('disable_coordinates', false),
    rejoinAfterLeave: reader.bool('rejoin_after_leave', false),
    reconnectTimeoutMs: resolveReconnectTimeout(reader),
    serverRejoinAgeMaxMs: resolveRejoinAge(reader),
    advertiseReconnectTimeoutMs: resolveAdvertisedTimeout(reader, server),
    leave: {
      onTerminate: reader.bool('leave_on_terminate', !server),
      onInterrupt: !reader.bool('skip_leave_on_interrupt', server),
      drainMs: reader.number('performance.leave_drain_time', 5_000),
    },
    raft: {
      multiplier: resolveMultiplier(reader, devMode),
      snapshotThreshold: reader.number('raft_snapshot_threshold', 16_384, 1),
      snapshotIntervalMs: reader.number('raft_snapshot_interval', 30_000, 1),
      trailingLogs: reader.number('raft_trailing_logs', 10_240, 0),
      defaultRead: resolveDefaultRead(reader),
    },
    rpcHoldTimeoutMs: reader.number('performance.rpc_hold_timeout', 7_000),
    discoveryMaxStaleMs: reader.number('discovery_max_stale', 0),
    autopilot: resolveAutopilot(reader),
  }
}

/** @returns servers to wait for; 1 elects itself */
function resolveBootstrap(reader: RawReader, server: boolean, devMode: boolean): number {
  const bootstrap = reader.bool('bootstrap', false)
  const expect = reader.has('bootstrap_expect') ? reader.number('bootstrap_expect', 0, -1e9) : 0
  const wrong = (message: string, fix: string): void =>
    reader.problem('bootstrap_expect', message, fix)
  if (expect < 0) {
    wrong(
      `bootstrap_expect cannot be ${expect}. Must be greater than or equal to zero`,
      'use the number of servers you start, usually 3',
    )
  }
  if (bootstrap && !server) {
    reader.problem('bootstrap', "'bootstrap = true' requires 'server = true'", 'add -server')
  }
  if (expect > 0 && devMode) {
    wrong("'bootstrap_expect > 0' not allowed in dev mode", 'remove it, or -dev')
  } else if (expect > 0 && !server) {
    wrong("'bootstrap_expect > 0' requires 'server = true'", 'add -server')
  }
  if (expect > 0 && bootstrap) {
    wrong(
      "'bootstrap_expect > 0' and 'bootstrap = true' are mutually exclusive",
      'keep one of them; for a single server bootstrap_expect = 1',
    )
  }
  warnAboutSize(reader, expect, bootstrap)
  return devMode || bootstrap ? 1 : expect
}

function warnAboutSize(reader: RawReader, expect: number, bootstrap: boolean): void {
  if (bootstrap) reader.warnings.push('bootstrap = true: do not enable unless necessary')
  if (expect === 1) {
    reader.warnings.push('BootstrapExpect is set to 1; this is the same as Bootstrap mode.')
  } else if (expect === 2) {
    reader.warnings.push(
      'bootstrap_expect = 2: A cluster with 2 servers will provide no failure tolerance. Use 3 or 5.',
    )
  } else if (expect > 2 && expect % 2 === 0) {
    reader.warnings.push(
      'bootstrap_expect is even number: A cluster with an even number of servers does not achieve optimum fault tolerance. Use 3 or 5.',
    )
  }
  if (expect > 1) reader.warnings.push(`bootstrap_expect > 0: expecting ${expect} servers`)
}

function resolveRetryJoin(
  reader: RawReader,
  interfaces: readonly HostInterface[],
): readonly string[] {
  const addresses = expandedList(reader, 'retry_join', interfaces)
  for (const address of addresses) {
    if (/^\s*provider\s*=/.test(address)) {
      reader.problem(
        'retry_join',
        `retry_join: "${address}" is not supported: addresses cannot be looked up at a cloud provider`,
        'name hosts: addresses, or host names of a DNS record that lists them',
      )
    } else if (parseMemberAddress(address) === null) {
      reader.problem(
        'retry_join',
        `retry_join: "${address}" is not an address of a member`,
        'write host, host:port or [ipv6]:port',
      )
    }
  }
  return addresses
}

function resolveGossip(reader: RawReader): GossipSettings {
  const defaults = LAN_TIMING
  const number = (key: string, fallback: number): number =>
    reader.number(`gossip_lan.${key}`, fallback, 1)
  const gossip = {
    gossipIntervalMs: number('gossip_interval', defaults.gossipIntervalMs),
    gossipNodes: number('gossip_nodes', defaults.gossipNodes),
    retransmitMult: number('retransmit_mult', defaults.retransmitMult),
    probeIntervalMs: number('probe_interval', defaults.probeIntervalMs),
    probeTimeoutMs: number('probe_timeout', defaults.probeTimeoutMs),
    suspicionMult: number('suspicion_mult', defaults.suspicionMult),
  }
  if (gossip.probeTimeoutMs >= gossip.probeIntervalMs) {
    reader.problem(
      'gossip_lan.probe_timeout',
      `gossip_lan.probe_timeout cannot be ${gossip.probeTimeoutMs} ms. Must be below probe_interval, ${gossip.probeIntervalMs} ms`,
      'half of it is a good choice',
    )
  }
  return gossip
}

function resolveAllowedNetworks(reader: RawReader): readonly IpNetwork[] | null {
  const key = 'serf_lan_allowed_cidrs'
  if (!reader.has(key)) return null
  return reader.list(key).flatMap((text) => {
    const network = parseIpNetwork(text)
    if (network !== null) return [network]
    reader.problem(key, `${key}: invalid CIDR address: ${text}`, 'write networks: 10.0.0.0/8')
    return []
  })
}

function resolveGossipKey(reader: RawReader): GossipKey | undefined {
  const text = reader.text('encrypt', '')
  if (text === '') return undefined
  const key = GossipKey.fromText(text)
  if (key instanceof GossipKey) return key
  const message =
    key.kind === 'not-base64'
      ? `encrypt has invalid key: ${key.reason}`
      : `Failed to configure keyring: ${key.reason}`
  reader.problem('encrypt', message, 'make a key with fairlead keygen')
  return undefined
}

function resolveReconnectTimeout(reader: RawReader): number {
  const key = 'reconnect_timeout'
  const ms = reader.number(key, 72 * 3_600_000)
  if (ms < RECONNECT_MIN_MS) {
    reader.problem(key, `${key} must be >= 8h0m0s`, 'use 8h or more; the default is 72h')
  }
  return ms
}

function resolveRejoinAge(reader: RawReader): number {
  const key = 'server_rejoin_age_max'
  const ms = reader.number(key, 168 * 3_600_000)
  if (ms < REJOIN_AGE_MIN_MS) {
    reader.problem(key, `${key} must be >= 6h0m0s`, 'use 6h or more; the default is 168h')
  }
  return ms
}

function resolveAdvertisedTimeout(reader: RawReader, server: boolean): number {
  const key = 'advertise_reconnect_timeout'
  const ms = reader.number(key, 0)
  if (ms > 0 && server) {
    reader.problem(
      key,
      `${key} can only be used on a client`,
      'remove it; servers wait for each other',
    )
  }
  return ms
}

function resolveDefaultRead(reader: RawReader): 'quorum' | 'lease' {
  const key = 'performance.default_read'
  const mode = reader.text(key, 'quorum')
  if (mode === 'lease') return 'lease'
  if (mode !== 'quorum') {
    reader.problem(key, `${key} cannot be "${mode}"`, 'use "quorum" or "lease"')
  }
  return 'quorum'
}

function resolveAutopilot(reader: RawReader): AutopilotSettings {
  const defaults = AUTOPILOT_DEFAULTS
  return {
    ...defaults,
    cleanupDeadServers: reader.bool('autopilot.cleanup_dead_servers', defaults.cleanupDeadServers),
    lastContactThresholdMs: reader.number(
      'autopilot.last_contact_threshold',
      defaults.lastContactThresholdMs,
      1,
    ),
    maxTrailingLogs: reader.number('autopilot.max_trailing_logs', defaults.maxTrailingLogs),
    minQuorum: reader.number('autopilot.min_quorum', defaults.minQuorum),
    serverStabilizationTimeMs: reader.number(
      'autopilot.server_stabilization_time',
      defaults.serverStabilizationTimeMs,
    ),
  }
}

function resolveMultiplier(reader: RawReader, devMode: boolean): number {
  const key = 'performance.raft_multiplier'
  const multiplier = reader.number(key, devMode ? 1 : 5, -1e9)
  if (multiplier < 1 || multiplier > 10) {
    reader.problem(
      key,
      `performance.raft_multiplier cannot be ${multiplier}. Must be between 1 and 10`,
      'use 1 on fast networks, 5 otherwise',
    )
  }
  const protocol = reader.number('raft_protocol', 3, -1e9)
  if (protocol !== 3) {
    reader.problem(
      'raft_protocol',
      `raft_protocol version ${protocol} is not supported by this version of Fairlead`,
      'remove the key',
    )
  }
  return multiplier
}
