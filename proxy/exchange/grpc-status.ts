/**
 * What a gRPC caller is told instead of an HTTP error (mesh.md 10.12): a response that is all trailers.
 */

const INTERNAL = 13
const UNKNOWN = 2

/** By HTTP status. */
const STATUSES: Readonly<Record<number, number>> = {
  400: INTERNAL,
  401: 16,
  403: 7,
  404: 12,
  429: 14,
  502: 14,
  503: 14,
  504: 14,
}

const CONTENT_TYPE = /\r\ncontent-type:[ \t]*application\/grpc(?:[;+ \t\r]|$)/i

/** @param text canonical head of the request */
export function isGrpcRequest(text: string): boolean {
  return CONTENT_TYPE.test(text)
}

/** The fields that say it, each with its CRLF. @param own instead of the one that goes with the HTTP status */
export function grpcStatusFields(httpStatus: number, message: string, own?: number): string {
  const status = own ?? STATUSES[httpStatus] ?? UNKNOWN
  return `grpc-status: ${status}\r\ngrpc-message: ${percentEncoded(message)}\r\n`
}

/** Printable ASCII but `%` stays as it is; the text is latin1. */
function percentEncoded(message: string): string {
  return message.replace(
    /[^\x20-\x24\x26-\x7e]/g,
    (char) => `%${char.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`,
  )
}
