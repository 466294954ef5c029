/**
 * The metadata of a read where it is flattened into the object (http-api.md 16, 17, 22.1).
 */

export function queryMetaFields(result: {
  readonly index: number
  readonly knownLeader: boolean
  readonly lastContactMs: number
}): string {
  return (
    `"Index":${result.index},"LastContact":${Math.round(result.lastContactMs * 1e6)},` +
    `"KnownLeader":${result.knownLeader},"ConsistencyLevel":"","NotModified":false,"Backend":0,` +
    '"ResultsFilteredByACLs":false'
  )
}
