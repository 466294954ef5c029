/**
 * The policies and the token that every cluster has, without anybody making them (http-api.md 24.3). Pure.
 */

import { ANONYMOUS_ACCESSOR, ANONYMOUS_SECRET } from './denial.ts'
import type { PolicyRecord, TokenRecord } from './records.ts'
import { NAMED_RESOURCES, PLAIN_RESOURCES } from './rule.ts'
import { hashSecret } from './secret.ts'

export const MANAGEMENT_POLICY = '00000000-0000-0000-0000-000000000001'
const READ_ONLY_POLICY = '00000000-0000-0000-0000-000000000002'
export const RESERVED_PREFIX = '00000000-0000-0000-0000-0000000000'

function rulesFor(level: 'read' | 'write'): string {
  const plain = PLAIN_RESOURCES.map((name) => `${name} = "${level}"\n`)
  const named = NAMED_RESOURCES.map((name) => {
    const intentions = name === 'service' ? `\n\tintentions = "${level}"` : ''
    return `${name}_prefix "" {\n\tpolicy = "${level}"${intentions}\n}\n`
  })
  return [...plain, ...named].join('')
}

export const BUILTIN_POLICIES: readonly PolicyRecord[] = [
  {
    id: MANAGEMENT_POLICY,
    name: 'global-management',
    description: 'Builtin Policy that grants unlimited access',
    rules: rulesFor('write'),
    datacenters: [],
    createIndex: 1,
    modifyIndex: 1,
  },
  {
    id: READ_ONLY_POLICY,
    name: 'builtin/global-read-only',
    description: 'Builtin Policy that grants unlimited read access to all components',
    rules: rulesFor('read'),
    datacenters: [],
    createIndex: 1,
    modifyIndex: 1,
  },
]

/** Of requests without a token; may be given policies and cannot be deleted. */
export const ANONYMOUS_TOKEN: TokenRecord = {
  accessorId: ANONYMOUS_ACCESSOR,
  secretHash: hashSecret(ANONYMOUS_SECRET),
  description: 'Anonymous Token',
  policies: [],
  roles: [],
  serviceIdentities: [],
  nodeIdentities: [],
  templatedPolicies: [],
  local: false,
  authMethod: '',
  expiresAt: 0,
  createdAt: 0,
  createIndex: 1,
  modifyIndex: 1,
}
