/**
 * A route about access control: with access control off it answers so, whatever was asked (http-api.md 24).
 */

import { aclDisabled } from '../../core/acl/denial.ts'
import { refuseTenancy } from './query-options.ts'
import type { Handler, Method, Route } from './route.ts'

export function aclRoute(route: Route): Route {
  const methods = Object.entries(route.methods).map(([method, handler]): [Method, Handler] => [
    method as Method,
    async (call) => {
      if (call.agent.acl === undefined) throw aclDisabled()
      refuseTenancy(call)
      return handler(call)
    },
  ])
  return { ...route, methods: Object.fromEntries(methods) }
}
