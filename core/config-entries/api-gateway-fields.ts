/**
 * The fields of api-gateway and of the routes that are bound to it (mesh.md 7.12).
 */

import { type Fields, fields, HEADER_MODIFIERS, list, TEXTS } from './field-type.ts'

const REFERENCE = {
  Kind: 'text',
  Name: 'text',
  SectionName: 'text',
  Namespace: 'text',
  Partition: 'text',
} as const
/** Conditions, written by who runs the gateway. */
const STATUS = fields({ Conditions: 'any' })
const JWT = fields({ Providers: 'any' })
const LISTENER_JWT = fields({ JWT })

export const API_GATEWAY: Fields = {
  Listeners: list(
    fields({
      Name: 'text',
      Hostname: 'text',
      Port: 'integer',
      Protocol: 'text',
      TLS: fields({
        Certificates: list(fields(REFERENCE)),
        MinVersion: 'text',
        MaxVersion: 'text',
        CipherSuites: TEXTS,
      }),
      Default: LISTENER_JWT,
      Override: LISTENER_JWT,
    }),
  ),
  Status: STATUS,
}

const MATCH = { Match: 'text', Name: 'text', Value: 'text' } as const
const FILTERS = fields({
  Headers: list(HEADER_MODIFIERS),
  URLRewrite: fields({ Path: 'text' }),
  RetryFilter: fields({
    NumRetries: 'integer',
    RetryOn: TEXTS,
    RetryOnStatusCodes: list('integer'),
    RetryOnConnectFailure: 'flag',
  }),
  TimeoutFilter: fields({ RequestTimeout: 'duration', IdleTimeout: 'duration' }),
  JWT,
})
const RESPONSE_FILTERS = fields({ Headers: list(HEADER_MODIFIERS) })

export const HTTP_ROUTE: Fields = {
  Parents: list(fields(REFERENCE)),
  Hostnames: TEXTS,
  Rules: list(
    fields({
      Matches: list(
        fields({
          Method: 'text',
          Path: fields({ Match: 'text', Value: 'text' }),
          Headers: list(fields(MATCH)),
          Query: list(fields(MATCH)),
        }),
      ),
      Filters: FILTERS,
      ResponseFilters: RESPONSE_FILTERS,
      Services: list(
        fields({
          Name: 'text',
          Weight: 'integer',
          Namespace: 'text',
          Partition: 'text',
          Filters: FILTERS,
          ResponseFilters: RESPONSE_FILTERS,
        }),
      ),
    }),
  ),
  Status: STATUS,
}

export const TCP_ROUTE: Fields = {
  Parents: list(fields(REFERENCE)),
  Services: list(fields({ Name: 'text', Namespace: 'text', Partition: 'text' })),
  Status: STATUS,
}
