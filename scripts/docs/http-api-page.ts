/**
 * docs/reference/http-api.md from the table of routes.
 */

import type { Route } from '../../agent/http/route.ts'
import { ROUTES } from '../../agent/http/routes.ts'
import { code, GENERATED, table } from './markdown.ts'

export function httpApiPage(): string {
  const supported = ROUTES.filter((route) => route.unsupported !== true)
  const missing = ROUTES.filter((route) => route.unsupported === true)
  return `# HTTP API

${GENERATED}

The API speaks the wire format of Consul 1.21, so that client libraries and tools written for Consul work unchanged. A path
that ends in \`/\` takes a name after it, one with \`*\` takes it there. "Blocking" endpoints take \`index\` and \`wait\` and answer once something
changed. Every answer about the catalog carries \`X-Consul-Index\`, \`X-Consul-KnownLeader\` and
\`X-Consul-LastContact\`; \`filter\`, \`stale\`, \`consistent\`, \`cached\` and \`pretty\` are understood where Consul
understands them. A failure carries its code in \`X-Fairlead-Error\` (see [errors](errors.md)); limits are on
[their own page](limits.md).

There is no access control yet: tokens are accepted and not looked at. Keep the API on loopback or a trusted network.

${table(['Endpoint', 'Methods', 'Blocking', 'What it does'], supported.map(row))}

## Answered with 501 for now

${missing.map((route) => code(route.path)).join(', ')}
`
}

function row(route: Route): readonly string[] {
  return [
    code(route.path),
    Object.keys(route.methods).join(', '),
    route.blocking === true ? 'yes' : '',
    route.doc,
  ]
}
