/**
 * Policies that are made of a template and a name: identities and templated policies (http-api.md 24.3, 24.6). Pure.
 *
 * Guarantees: a name that is put into a template was checked before, so that it stays a name there.
 */

import type { JsonObject } from '../catalog/types.ts'
import { FairleadError } from '../errors.ts'
import type { NodeIdentity, PolicyRecord, ServiceIdentity, TemplatedPolicyLink } from './records.ts'
import { hexDigest } from './secret.ts'

export interface TemplatedPolicy {
  readonly name: string
  readonly description: string
  readonly template: string
  /** Whether it takes the variable `name`. */
  readonly takesName: boolean
}

// biome-ignore lint/suspicious/noTemplateCurlyInString: a placeholder of the templates
const NAME = '${name}'

const SERVICE = `service "\${name}" {
	policy = "write"
}
service "\${name}-sidecar-proxy" {
	policy = "write"
}
service_prefix "" {
	policy = "read"
}
node_prefix "" {
	policy = "read"
}`

const NODE = `node "\${name}" {
	policy = "write"
}
service_prefix "" {
	policy = "read"
}`

export const TEMPLATED_POLICIES: readonly TemplatedPolicy[] = [
  {
    name: 'builtin/api-gateway',
    description: 'Gives the token or role permissions for a Consul api gateway',
    takesName: true,
    template: `mesh = "read"
node_prefix "" {
	policy = "read"
}
service_prefix "" {
	policy = "read"
}
service "\${name}" {
	policy = "write"
}`,
  },
  {
    name: 'builtin/dns',
    description:
      'Gives the token or role permissions for the Consul DNS to query services in the network.',
    takesName: false,
    template: `node_prefix "" {
	policy = "read"
}
service_prefix "" {
	policy = "read"
}
query_prefix "" {
	policy = "read"
}`,
  },
  {
    name: 'builtin/node',
    description: 'Gives the token or role permissions for a node to register itself.',
    takesName: true,
    template: NODE,
  },
  {
    name: 'builtin/nomad-client',
    description:
      'Gives the token or role permissions required for integration with a nomad client.',
    takesName: false,
    template: `agent_prefix "" {
	policy = "read"
}
node_prefix "" {
	policy = "read"
}
service_prefix "" {
	policy = "write"
}
key_prefix "" {
	policy = "read"
}`,
  },
  {
    name: 'builtin/nomad-server',
    description:
      'Gives the token or role permissions required for integration with a nomad server.',
    takesName: false,
    template: `acl = "write"
agent_prefix "" {
	policy = "read"
}
node_prefix "" {
	policy = "read"
}
service_prefix "" {
	policy = "write"
}`,
  },
  {
    name: 'builtin/service',
    description: 'Gives the token or role permissions to register a service and discover services.',
    takesName: true,
    template: SERVICE,
  },
]

const BY_NAME = new Map(TEMPLATED_POLICIES.map((each) => [each.name, each]))
const NAME_MAX = 256
const SERVICE_NAME = /^[a-z0-9](?:[a-z0-9_-]*[a-z0-9])?$/
const NODE_NAME = /^[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?$/

export function templatedPolicy(name: string): TemplatedPolicy | undefined {
  return BY_NAME.get(name)
}

export function schemaOf({ takesName }: TemplatedPolicy): JsonObject | undefined {
  if (!takesName) return undefined
  return {
    type: 'object',
    properties: { name: { type: 'string', $ref: '#/definitions/min-length-one' } },
    required: ['name'],
    definitions: { 'min-length-one': { type: 'string', minLength: 1 } },
  }
}

/** @throws FairleadError REJECTED */
export function renderTemplated({ templateName, variables }: TemplatedPolicyLink): string {
  const found = BY_NAME.get(templateName)
  if (found === undefined) {
    throw rejected(`no such ACL templated policy with Name ${JSON.stringify(templateName)}`)
  }
  const name = variables['name'] ?? ''
  if (!found.takesName) {
    if (name === '') return found.template
    throw rejected(`validation error for templated policy: ${templateName} takes no name`)
  }
  const pattern = templateName === 'builtin/node' ? NODE_NAME : SERVICE_NAME
  if (!isName(name, pattern)) {
    throw rejected(
      `validation error for templated policy: ${templateName} needs the variable name; "${name.slice(0, 64)}" is not one`,
    )
  }
  return found.template.replaceAll(NAME, name)
}

export function serviceIdentityRules({ serviceName }: ServiceIdentity): string {
  return SERVICE.replaceAll(NAME, serviceName)
}

export function nodeIdentityRules({ nodeName }: NodeIdentity): string {
  return NODE.replaceAll(NAME, nodeName)
}

/** What is shown of rules that no policy holds. */
export function syntheticPolicy(
  rules: string,
  description: string,
  datacenters: readonly string[],
): PolicyRecord {
  const hash = hexDigest(rules).slice(0, 32)
  const id = hash.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
  return {
    id,
    name: `synthetic-policy-${hash}`,
    description,
    rules,
    datacenters,
    createIndex: 0,
    modifyIndex: 0,
  }
}

/** @returns what is wrong, undefined for nothing */
export function serviceIdentityProblem({ serviceName }: ServiceIdentity): string | undefined {
  if (serviceName === '') return 'Service identity is missing the service name field'
  if (isName(serviceName, SERVICE_NAME)) return undefined
  return `Service identity "${serviceName.slice(0, 64)}" has an invalid name. Only lowercase alphanumeric characters, '-' and '_' are allowed`
}

/** @returns what is wrong, undefined for nothing */
export function nodeIdentityProblem({ nodeName, datacenter }: NodeIdentity): string | undefined {
  if (nodeName === '') return 'Node identity is missing the node name field'
  if (datacenter === '') return 'Node identity is missing the datacenter field'
  if (isName(nodeName, NODE_NAME)) return undefined
  return `Node identity "${nodeName.slice(0, 64)}" has an invalid name. Only lowercase alphanumeric characters, '-', '_' and '.' are allowed`
}

function isName(name: string, pattern: RegExp): boolean {
  return name.length <= NAME_MAX && pattern.test(name)
}

function rejected(message: string): FairleadError {
  return new FairleadError('REJECTED', message)
}
