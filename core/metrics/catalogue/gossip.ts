/**
 * Metrics of membership by gossip. Where Consul's gossip libraries have the figure, the name is theirs.
 */

import { counter, gauge, sample } from '../definition.ts'

export const GOSSIP_METRICS = {
  memberJoin: counter('serf.member.join', 'Members that came, or came back after they had failed'),
  memberFailed: counter('serf.member.failed', 'Members that were found to have failed'),
  memberLeft: counter('serf.member.left', 'Members that left'),
  memberUpdate: counter('serf.member.update', 'Members that changed their tags or their address'),
  memberReap: counter('serf.member.reap', 'Members that were forgotten'),
  memberFlap: counter('serf.member.flap', 'Members that came back within a minute of failing'),
  events: counter('serf.events', 'User events that were told to this host'),
  intentQueue: sample(
    'serf.queue.Intent',
    'Words of joining and leaving that wait to be passed on',
  ),
  eventQueue: sample('serf.queue.Event', 'User events that wait to be passed on'),
  queryQueue: sample('serf.queue.Query', 'Queries that wait to be passed on'),
  updateQueue: sample('memberlist.queue.broadcasts', 'News of members that wait to be passed on'),
  healthScore: gauge(
    'memberlist.health.score',
    'How much this member distrusts itself; 0 is healthy',
  ),
  instances: gauge('memberlist.node.instances', 'Members as this one sees them', ['node_state']),
  alive: counter('memberlist.msg.alive', 'Messages that say that a member lives'),
  suspect: counter('memberlist.msg.suspect', 'Messages that say that a member is suspected'),
  dead: counter('memberlist.msg.dead', 'Messages that say that a member has failed or left'),
  udpSent: counter('memberlist.udp.sent', 'Bytes of packets that were sent'),
  udpReceived: counter('memberlist.udp.received', 'Bytes of packets that came in'),
  packetsSent: counter('gossip.packets_sent', 'Packets that were sent'),
  packetsReceived: counter('gossip.packets_received', 'Packets that came in'),
  packetsUnsent: counter('gossip.packets_unsent', 'Packets that this host could not send'),
  refused: counter('gossip.refused', 'Packets and streams that were not opened', ['reason']),
  streamsRefused: counter(
    'gossip.streams_refused',
    'Streams that were cut at a bound or for what came',
  ),
  malformed: counter('gossip.malformed', 'Messages that were opened and could not be read'),
  unknown: counter('gossip.unknown', 'Messages of a kind that this version does not know'),
  probesFailed: counter('gossip.probes_failed', 'Probes that ended without an answer'),
  refutations: counter('gossip.refutations', 'Times this member was taken for failed and objected'),
  accusationsIgnored: counter(
    'gossip.accusations_ignored',
    'Accusations too far ahead to be believed',
  ),
  conflicts: counter('gossip.name_conflicts', 'Claims of other hosts to a name that is in use'),
  addressesRefused: counter(
    'gossip.addresses_refused',
    'Words about members at addresses that are not allowed',
  ),
  exchangesRefused: counter('gossip.merges_refused', 'Tables of others that were refused'),
  broadcastsDropped: counter(
    'gossip.broadcasts_dropped',
    'Messages dropped from a queue that was full',
  ),
  intentsDropped: counter(
    'gossip.intents_dropped',
    'Words about unknown members that were forgotten early',
  ),
  coordinatesRefused: counter(
    'gossip.coordinates_refused',
    'Coordinates and round trips that are none',
  ),
  eventsTooOld: counter('gossip.events_too_old', 'User events that came too late to be told'),
  answersDropped: counter(
    'gossip.answers_dropped',
    'Answers to queries that were too large or for nobody',
  ),
} as const
