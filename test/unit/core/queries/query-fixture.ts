/**
 * Definitions of prepared queries for tests: one field said, the others as a body without them gives.
 */

import type { PreparedQuery, QueryService } from '../../../../core/queries/types.ts'

export function queryService(given: Partial<QueryService> = {}): QueryService {
  return {
    service: 'web',
    failover: { nearestN: 0, datacenters: null, targets: null },
    onlyPassing: false,
    ignoreCheckIds: null,
    near: '',
    tags: null,
    nodeMeta: null,
    serviceMeta: null,
    connect: false,
    ...given,
  }
}

export function preparedQuery(given: Partial<PreparedQuery> = {}): PreparedQuery {
  return {
    id: '',
    name: 'q',
    session: '',
    token: '',
    template: { type: '', regexp: '', removeEmptyTags: false },
    service: queryService(),
    dnsTtl: '',
    ...given,
  }
}

export function queryTemplate(
  name: string,
  service: Partial<QueryService>,
  template: Partial<PreparedQuery['template']> = {},
): PreparedQuery {
  return preparedQuery({
    name,
    template: { type: 'name_prefix_match', regexp: '', removeEmptyTags: false, ...template },
    service: queryService(service),
  })
}
