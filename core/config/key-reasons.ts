/**
 * What is so in place of keys that have no effect: said in warnings and in the tables of the reference.
 */

export const NO_WAN = 'There is one datacenter: servers of others are not known'
export const RPC_LIMITS = 'Connections between agents have fixed limits (docs/reference/limits.md)'
export const NO_OUTGOING_CALLS = 'fairlead never calls home'
