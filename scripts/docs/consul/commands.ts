/**
 * Every command of Consul 1.21 (cli.md): what the table of compatibility must have a row for.
 */

const CRUD = ['create', 'delete', 'list', 'read', 'update']

/** Commands by the words before the last; '' is the top level. */
const GROUPS: Readonly<Record<string, readonly string[]>> = {
  '': [
    'agent',
    'debug',
    'event',
    'exec',
    'force-leave',
    'info',
    'join',
    'keygen',
    'keyring',
    'leave',
    'lock',
    'login',
    'logout',
    'maint',
    'members',
    'monitor',
    'reload',
    'resource',
    'rtt',
    'validate',
    'version',
    'watch',
  ],
  acl: ['bootstrap', 'set-agent-token'],
  'acl auth-method': CRUD,
  'acl binding-rule': CRUD,
  'acl policy': CRUD,
  'acl role': CRUD,
  'acl templated-policy': ['list', 'preview', 'read'],
  'acl token': [...CRUD, 'clone'],
  catalog: ['datacenters', 'nodes', 'services'],
  config: ['delete', 'list', 'read', 'write'],
  connect: ['envoy', 'expose', 'proxy', 'redirect-traffic'],
  'connect ca': ['get-config', 'set-config'],
  intention: ['check', 'create', 'delete', 'get', 'list', 'match'],
  kv: ['delete', 'export', 'get', 'import', 'put'],
  operator: ['area'],
  'operator autopilot': ['get-config', 'set-config', 'state'],
  'operator raft': ['list-peers', 'remove-peer', 'transfer-leader'],
  'operator usage': ['instances'],
  peering: ['delete', 'establish', 'exported-services', 'generate-token', 'list', 'read'],
  services: ['deregister', 'export', 'exported-services', 'register'],
  snapshot: ['decode', 'inspect', 'restore', 'save'],
  'tls ca': ['create'],
  'tls cert': ['create'],
  troubleshoot: ['ports', 'proxy', 'upstreams'],
}

/** Words separated by blanks. */
export const CONSUL_COMMANDS: readonly string[] = Object.entries(GROUPS)
  .flatMap(([group, names]) => names.map((name) => (group === '' ? name : `${group} ${name}`)))
  .sort()
