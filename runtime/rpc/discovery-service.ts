/**
 * Envoy's discovery service as grpc-js wants it; messages pass as bytes and are decoded by envoy-codec.ts.
 */

const PATH = '/envoy.service.discovery.v3.AggregatedDiscoveryService'

const asIs = (bytes: Buffer): Buffer => bytes

export const AggregatedDiscoveryService = {
  streamAggregatedResources: stream('StreamAggregatedResources'),
  deltaAggregatedResources: stream('DeltaAggregatedResources'),
}

function stream(method: string) {
  return {
    path: `${PATH}/${method}`,
    requestStream: true,
    responseStream: true,
    requestSerialize: asIs,
    requestDeserialize: asIs,
    responseSerialize: asIs,
    responseDeserialize: asIs,
  } as const
}
