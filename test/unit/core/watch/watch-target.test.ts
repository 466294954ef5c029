/**
 * What can be watched, and what is said of what cannot.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type WatchParameters, watchTarget } from '../../../../core/watch/watch-target.ts'

function read(given: WatchParameters): unknown {
  const result = watchTarget(given)
  if (!result.ok) return result.message
  const { path, query, gives } = result.target
  return [path, query, gives]
}

test('each type is one read of the API', () => {
  const cases: readonly (readonly [WatchParameters, unknown])[] = [
    [{ type: 'key', key: 'app/a b' }, ['/v1/kv/app/a%20b', {}, 'first']],
    [{ type: 'keyprefix', prefix: 'app/' }, ['/v1/kv/app/', { recurse: '' }, 'list']],
    [{ type: 'services' }, ['/v1/catalog/services', {}, 'value']],
    [{ type: 'nodes', filter: 'a == b' }, ['/v1/catalog/nodes', { filter: 'a == b' }, 'value']],
    [
      { type: 'service', service: 'web', tag: ['a', 'b'], passingonly: true },
      ['/v1/health/service/web', { tag: ['a', 'b'], passing: '' }, 'value'],
    ],
    [
      { type: 'service', service: 'web', passingonly: false },
      ['/v1/health/service/web', {}, 'value'],
    ],
    [{ type: 'checks' }, ['/v1/health/state/any', {}, 'value']],
    [{ type: 'checks', state: 'critical' }, ['/v1/health/state/critical', {}, 'value']],
    [{ type: 'checks', service: 'web' }, ['/v1/health/checks/web', {}, 'value']],
    [{ type: 'event' }, ['/v1/event/list', {}, 'events']],
    [{ type: 'event', name: 'deploy' }, ['/v1/event/list', { name: 'deploy' }, 'events']],
    [{ type: 'connect_roots' }, ['/v1/agent/connect/ca/roots', {}, 'value']],
    [{ type: 'connect_leaf', service: 'web' }, ['/v1/agent/connect/ca/leaf/web', {}, 'value']],
    [{ type: 'agent_service', service_id: 'w/1' }, ['/v1/agent/service/w%2F1', {}, 'value']],
  ]
  for (const [given, expected] of cases) assert.deepEqual(read(given), expected)
})

test('what is missing, too much or unknown is refused in the words of the reference', () => {
  const cases: readonly (readonly [WatchParameters, string])[] = [
    [{}, 'Watch type must be specified'],
    [{ type: 'serivce' }, 'Unsupported watch type: serivce; did you mean "service"?'],
    [{ type: 'toString' }, 'Unsupported watch type: toString'],
    [{ type: 'key' }, 'Must specify a single key to watch'],
    [{ type: 'keyprefix', prefix: '' }, 'Must specify a single prefix to watch'],
    [{ type: 'service' }, 'Must specify a single service to watch'],
    [{ type: 'checks', service: 'a', state: 'any' }, 'Cannot specify service and state'],
    [{ type: 'key', key: 'a', prefix: 'b', state: 'c' }, 'Invalid parameters: [prefix state]'],
  ]
  for (const [given, expected] of cases) assert.equal(read(given), expected)
})
