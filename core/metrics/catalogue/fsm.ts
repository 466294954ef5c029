/**
 * Metrics of the replicated state: how long each kind of command takes to apply, on every server.
 */

import { sample } from '../definition.ts'

export const FSM_METRICS = {
  register: sample('fsm.register', 'Applying a registration'),
  deregister: sample('fsm.deregister', 'Applying a deregistration'),
  kvs: sample('fsm.kvs', 'Applying a write of a key', ['op']),
  txn: sample('fsm.txn', 'Applying a transaction'),
  session: sample('fsm.session', 'Applying a change of a session', ['op']),
  tombstone: sample('fsm.tombstone', 'Forgetting deleted keys', ['op']),
  intention: sample('fsm.intention', 'Applying a write of an intention', ['op']),
  configEntry: sample('fsm.config_entry', 'Applying a write of a config entry', ['op']),
  ca: sample('fsm.ca', 'Applying a change of the certificate authority', ['op']),
  virtualIp: sample('fsm.virtual_ip', 'Applying a change of manual virtual addresses', ['op']),
  autopilot: sample('fsm.autopilot', 'Applying a change of the settings of autopilot'),
  coordinate: sample('fsm.coordinate.batch-update', 'Applying a batch of coordinates'),
  query: sample('fsm.prepared-query', 'Applying a write of a prepared query', ['op']),
  restore: sample('fsm.user-restore', 'Applying a step of the restore of a snapshot', ['op']),
} as const
