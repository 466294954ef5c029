/**
 * Bounds of what one agent holds and of what one registration may say; over them the registration is refused.
 *
 * Consul has none for most of these; the numbers are far above what a host runs. Meta limits are Consul's
 * (http-api.md 11.1). Documented in docs/reference.
 */

/** Services of one agent, sidecars included. */
export const SERVICES_MAX = 4096
/** Checks of one agent, those of the node and of all services. */
export const CHECKS_MAX = 8192
export const CHECKS_PER_SERVICE_MAX = 64

/** Characters of a service or check id or name, and of a tag. */
export const NAME_LENGTH_MAX = 512
export const TAGS_MAX = 512
export const TAGGED_ADDRESSES_MAX = 64
export const UPSTREAMS_MAX = 1024
export const EXPOSED_PATHS_MAX = 256
/** Characters of an address, a URL, a socket path, notes, a reason for maintenance. */
export const TEXT_LENGTH_MAX = 8192
export const SCRIPT_ARGS_MAX = 256
export const HEADERS_MAX = 128

export const META_PAIRS_MAX = 64
export const META_KEY_LENGTH_MAX = 128
export const META_VALUE_LENGTH_MAX = 512

export const WEIGHT_MAX = 65_535
