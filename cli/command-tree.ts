/**
 * Every command by name; each file is loaded only when its command runs, which keeps start-up fast.
 *
 * Commands of Consul that fairlead does not have yet are listed too, so that they answer clearly.
 */

import { ACL_COMMANDS } from './acl/command-tree.ts'
import { type CommandTree, command, group, unsupported } from './command-node.ts'

export const COMMANDS: CommandTree = {
  agent: command('Run the agent (and, with -server, the server)', async () => {
    return (await import('./commands/agent.ts')).agentCommand
  }),
  catalog: group('Look things up in the catalog', {
    datacenters: command('List datacenters', async () => {
      return (await import('./commands/catalog.ts')).datacentersCommand
    }),
    nodes: command('List nodes', async () => {
      return (await import('./commands/catalog.ts')).nodesCommand
    }),
    services: command('List services', async () => {
      return (await import('./commands/catalog.ts')).servicesCommand
    }),
  }),
  config: group('Read and write config entries', {
    delete: command('Delete a config entry', async () => {
      return (await import('./commands/config-write.ts')).configDeleteCommand
    }),
    list: command('List the config entries of a kind', async () => {
      return (await import('./commands/config-read.ts')).configListCommand
    }),
    read: command('Print a config entry', async () => {
      return (await import('./commands/config-read.ts')).configReadCommand
    }),
    write: command('Write a config entry', async () => {
      return (await import('./commands/config-write.ts')).configWriteCommand
    }),
  }),
  connect: group('Look after the mesh', {
    ca: group('Look after the certificate authority', {
      'get-config': command('Print its configuration', async () => {
        return (await import('./commands/connect-ca.ts')).caGetConfigCommand
      }),
      reinstate: command('Take a revocation back', async () => {
        return (await import('./commands/connect-ca-revocations.ts')).caReinstateCommand
      }),
      revocations: command('List what is revoked', async () => {
        return (await import('./commands/connect-ca-revocations.ts')).caRevocationsCommand
      }),
      revoke: command('Refuse a certificate, or all of an identity', async () => {
        return (await import('./commands/connect-ca-revocations.ts')).caRevokeCommand
      }),
      'set-config': command('Change its configuration', async () => {
        return (await import('./commands/connect-ca.ts')).caSetConfigCommand
      }),
    }),
    envoy: command('Run an Envoy as the proxy of a sidecar', async () => {
      return (await import('./commands/connect-envoy.ts')).connectEnvoyCommand
    }),
    haproxy: unsupported(
      'sidecars are served by the proxy of the agent or by Envoy (docs/reference/data-planes.md); HAProxy reaches services by DNS',
    ),
    nginx: unsupported(
      'sidecars are served by the proxy of the agent or by Envoy (docs/reference/data-planes.md); NGINX reaches services by DNS',
    ),
    expose: unsupported(
      'there are no ingress gateways yet; a service with a sidecar can call into the mesh',
    ),
    proxy: unsupported(
      'the agent runs the mesh proxy of its host itself; register the service with connect { sidecar_service {} }',
    ),
    'redirect-traffic': command('Take the connections of this host into the mesh', async () => {
      return (await import('./commands/redirect-traffic.ts')).redirectTrafficCommand
    }),
  }),
  debug: command('Gather what an agent tells of itself into an archive', async () => {
    return (await import('./commands/debug.ts')).debugCommand
  }),
  event: command('Fire an event for the agents of the cluster', async () => {
    return (await import('./commands/event.ts')).eventCommand
  }),
  'force-leave': command('Declare a failed member left', async () => {
    return (await import('./commands/join.ts')).forceLeaveCommand
  }),
  info: command('Show what the agent knows about itself', async () => {
    return (await import('./commands/info.ts')).infoCommand
  }),
  init: command('Make this host the first server of a secure cluster', async () => {
    return (await import('./commands/init.ts')).initCommand
  }),
  intention: group('Decide who may call whom', {
    check: command('Would a call be allowed?', async () => {
      return (await import('./commands/intention-read.ts')).intentionCheckCommand
    }),
    create: command('Create an intention', async () => {
      return (await import('./commands/intention-write.ts')).intentionCreateCommand
    }),
    delete: command('Delete an intention', async () => {
      return (await import('./commands/intention-write.ts')).intentionDeleteCommand
    }),
    get: command('Show an intention', async () => {
      return (await import('./commands/intention-read.ts')).intentionGetCommand
    }),
    list: command('List intentions', async () => {
      return (await import('./commands/intention-read.ts')).intentionListCommand
    }),
    match: command('List intentions that match a service', async () => {
      return (await import('./commands/intention-read.ts')).intentionMatchCommand
    }),
  }),
  join: command('Make this host a member of a cluster', async () => {
    return (await import('./commands/join.ts')).joinCommand
  }),
  'join-token': group('Let new hosts in', {
    create: command('Make a token by which new hosts join', async () => {
      return (await import('./commands/join-token.ts')).joinTokenCreateCommand
    }),
    delete: command('Delete a join token', async () => {
      return (await import('./commands/join-token.ts')).joinTokenDeleteCommand
    }),
    list: command('List join tokens', async () => {
      return (await import('./commands/join-token.ts')).joinTokenListCommand
    }),
  }),
  keygen: command('Make a key for the encryption of gossip', async () => {
    return (await import('./commands/keygen.ts')).keygenCommand
  }),
  keyring: command('Show and change the keys of gossip', async () => {
    return (await import('./commands/keyring.ts')).keyringCommand
  }),
  kv: group('Read and write the key-value store', {
    delete: command('Delete a key, or all with a prefix', async () => {
      return (await import('./commands/kv-write.ts')).kvDeleteCommand
    }),
    export: command('Print keys as JSON', async () => {
      return (await import('./commands/kv-transfer.ts')).kvExportCommand
    }),
    get: command('Print the value of a key', async () => {
      return (await import('./commands/kv-get.ts')).kvGetCommand
    }),
    import: command('Write keys from JSON', async () => {
      return (await import('./commands/kv-transfer.ts')).kvImportCommand
    }),
    put: command('Write a key', async () => {
      return (await import('./commands/kv-write.ts')).kvPutCommand
    }),
  }),
  leave: command('Make the agent leave the cluster and stop', async () => {
    return (await import('./commands/leave.ts')).leaveCommand
  }),
  lock: command('Run a program while holding a lock of the cluster', async () => {
    return (await import('./commands/lock.ts')).lockCommand
  }),
  maint: command('Take a node or a service out of service, or back', async () => {
    return (await import('./commands/maint.ts')).maintCommand
  }),
  members: command('List the members of the cluster', async () => {
    return (await import('./commands/members.ts')).membersCommand
  }),
  monitor: command('Show the log of the agent as it is written', async () => {
    return (await import('./commands/monitor.ts')).monitorCommand
  }),
  operator: group('Operate the servers', {
    autopilot: group('Look after the servers', {
      'get-config': command('Show the settings', async () => {
        return (await import('./commands/operator-autopilot.ts')).getConfigCommand
      }),
      'set-config': command('Change settings', async () => {
        return (await import('./commands/operator-autopilot.ts')).setConfigCommand
      }),
      state: command('Show the health of the servers', async () => {
        return (await import('./commands/operator-autopilot.ts')).stateCommand
      }),
    }),
    raft: group('Look at Raft, and change it', {
      'list-peers': command('List the servers that take part', async () => {
        return (await import('./commands/operator-raft.ts')).listPeersCommand
      }),
      recover: command('Go on with one server after the majority is lost', async () => {
        return (await import('./commands/operator-raft-recover.ts')).operatorRaftRecoverCommand
      }),
      'remove-peer': command('Take a server out', async () => {
        return (await import('./commands/operator-raft.ts')).removePeerCommand
      }),
      'transfer-leader': command('Hand leadership to another server', async () => {
        return (await import('./commands/operator-raft.ts')).transferLeaderCommand
      }),
    }),
    usage: group('Count what is registered', {
      instances: command('Count services, their instances and nodes', async () => {
        return (await import('./commands/operator-usage.ts')).usageInstancesCommand
      }),
    }),
    area: unsupported('network areas are an enterprise feature of Consul'),
  }),
  proxy: group('Look at the proxies of this host', {
    run: {
      kind: 'command',
      summary: 'The mesh proxy of this host; started by the agent',
      hidden: true,
      load: async () => (await import('./commands/proxy.ts')).proxyCommand,
    },
    status: command('Show who serves its sidecars, and what was refused', async () => {
      return (await import('./commands/proxy-status.ts')).proxyStatusCommand
    }),
  }),
  reload: command('Make the agent read its configuration again', async () => {
    return (await import('./commands/reload.ts')).reloadCommand
  }),
  rtt: command('Estimate the round trip between two nodes', async () => {
    return (await import('./commands/rtt.ts')).rttCommand
  }),
  services: group('Register services with the local agent', {
    deregister: command('Remove a service', async () => {
      return (await import('./commands/services.ts')).deregisterCommand
    }),
    register: command('Add a service', async () => {
      return (await import('./commands/services.ts')).registerCommand
    }),
    export: command('Let peers use a service', async () => {
      return (await import('./commands/exported-services.ts')).exportCommand
    }),
    'exported-services': command('List what peers may use', async () => {
      return (await import('./commands/exported-services.ts')).exportedServicesCommand
    }),
  }),
  snapshot: group('Save and restore the state of the servers', {
    decode: command('Print the records of a snapshot file', async () => {
      return (await import('./commands/snapshot-read.ts')).snapshotDecodeCommand
    }),
    inspect: command('Show what a snapshot file holds', async () => {
      return (await import('./commands/snapshot-read.ts')).snapshotInspectCommand
    }),
    restore: command('Replace the state by that of a file', async () => {
      return (await import('./commands/snapshot.ts')).snapshotRestoreCommand
    }),
    save: command('Save the state to a file', async () => {
      return (await import('./commands/snapshot.ts')).snapshotSaveCommand
    }),
  }),
  tap: command('Show live requests through the proxy of this host', async () => {
    return (await import('./commands/tap.ts')).tapCommand
  }),
  validate: command('Check configuration files', async () => {
    return (await import('./commands/validate.ts')).validateCommand
  }),
  version: command('Print the version', async () => {
    return (await import('./commands/version.ts')).versionCommand
  }),
  watch: command('Print something, or run a program whenever it changes', async () => {
    return (await import('./commands/watch.ts')).watchCommand
  }),
  acl: ACL_COMMANDS,
  exec: unsupported(
    'remote execution does not exist; fire an event, and let a watch on the hosts run the program',
  ),
  login: command('Log in by an auth method', async () => {
    return (await import('./commands/acl-token.ts')).loginCommand
  }),
  logout: command('Delete the token in use, which came from a login', async () => {
    return (await import('./commands/acl-token.ts')).logoutCommand
  }),
  peering: unsupported('clusters cannot be peered yet'),
  resource: unsupported('the experimental resource API does not exist; use config'),
  tls: group('Make certificates for agents', {
    ca: group('The authority of their certificates', {
      create: command('Make an authority', async () => {
        return (await import('./commands/tls.ts')).tlsCaCreateCommand
      }),
    }),
    cert: group('Their certificates', {
      create: command('Make a certificate', async () => {
        return (await import('./commands/tls.ts')).tlsCertCreateCommand
      }),
    }),
  }),
  troubleshoot: group('Find out what is wrong', {
    ports: command('Show which ports of a host can be reached', async () => {
      return (await import('./commands/troubleshoot-ports.ts')).troubleshootPortsCommand
    }),
    proxy: unsupported(
      'it asks Envoy, and sidecars here need none; the log of the agent says what the proxy does',
    ),
    upstreams: unsupported(
      'it asks Envoy, and sidecars here need none; /v1/agent/services lists the upstreams of a sidecar',
    ),
  }),
}
