/**
 * The one door to @grpc/grpc-js, loaded on first use: it costs about 60 ms, which no command line client
 * should pay. Used by this folder only; types are imported freely.
 */

export type GrpcLibrary = typeof import('@grpc/grpc-js')

export async function loadGrpc(): Promise<GrpcLibrary> {
  const grpc = await import('@grpc/grpc-js')
  // It would write to stderr; what matters comes back as an error.
  grpc.setLogVerbosity(grpc.logVerbosity.NONE)
  return grpc
}
