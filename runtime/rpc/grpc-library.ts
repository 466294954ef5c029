/**
 * The one door to @grpc/grpc-js, loaded on first use: it costs about 60 ms, which no command line client
 * should pay. Used by this folder only; types are imported freely.
 */

export type GrpcLibrary = typeof import('@grpc/grpc-js')

export async function loadGrpc(): Promise<GrpcLibrary> {
  return import('@grpc/grpc-js')
}
