/**
 * The rest of Consul's routes (http-api.md section 28): known, and answered with a clear 501.
 *
 * A client then reads what is missing instead of guessing from a 404, and method checks stay exact.
 */

import { FairleadError } from '../../core/errors.ts'
import type { HttpCall } from './call.ts'
import type { Reply } from './reply.ts'
import type { Handler, Method, Route } from './route.ts'

/** Path and methods, in the order of the `Allow` header. */
const UNSUPPORTED: readonly (readonly [path: string, methods: string])[] = [
  ['/v1/peering/token', 'POST'],
  ['/v1/peering/establish', 'POST'],
  ['/v1/peering/', 'GET DELETE'],
  ['/v1/peerings', 'GET'],
]

export const UNSUPPORTED_ROUTES: readonly Route[] = UNSUPPORTED.map(([path, methods]) => ({
  path,
  doc: 'Not supported by this version',
  unsupported: true,
  methods: Object.fromEntries(
    methods
      .split(' ')
      .map((method): [Method, Handler] => [method as Method, (call) => refuse(call, path)]),
  ),
}))

function refuse(call: HttpCall, path: string): Reply {
  throw new FairleadError(
    'NOT_SUPPORTED',
    `${call.method} ${path}${call.suffix} is not supported by this version of Fairlead`,
  )
}
